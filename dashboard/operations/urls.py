from django.urls import path

from . import views

urlpatterns = [
    path("operations/new/<str:name>/", views.new, name="operation-new"),
    path("operations/now/replay/", views.replay_now, name="replay-now"),
    path("operations/<int:number>/confirm/", views.confirm, name="operation-confirm"),
    path("operations/<int:number>/preview/", views.preview, name="operation-preview"),
    path("operations/<int:number>/cancel/", views.cancel, name="operation-cancel"),
    path("operations/<int:number>/undo/", views.undo, name="operation-undo"),
    path("operations/<int:number>/again/", views.again, name="operation-again"),
]
