from django.urls import path

from . import views

urlpatterns = [
    path("alerts/rules/new/", views.new_rule, name="alert-rule-new"),
    path("alerts/rules/<int:number>/", views.edit_rule, name="alert-rule"),
    path("alerts/rules/<int:number>/delete/", views.delete_rule, name="alert-rule-delete"),
    path("alerts/rules/<int:number>/mute/", views.mute_rule, name="alert-rule-mute"),
    path("alerts/<int:number>/acknowledge/", views.acknowledge, name="alert-acknowledge"),
    path("alerts/channels/new/<str:kind>/", views.new_channel, name="alert-channel-new"),
    path("alerts/channels/<int:number>/", views.edit_channel, name="alert-channel"),
    path("alerts/channels/<int:number>/delete/", views.delete_channel, name="alert-channel-delete"),
    path("alerts/channels/<int:number>/test/", views.try_channel, name="alert-channel-test"),
]
