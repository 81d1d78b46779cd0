from django.urls import path

from . import views

urlpatterns = [
    path("masking/", views.masking, name="masking"),
    path("masking/<int:number>/remove/", views.remove, name="masking-remove"),
]
