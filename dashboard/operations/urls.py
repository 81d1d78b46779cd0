from django.urls import path

from . import lab_views, views

urlpatterns = [
    path("operations/new/<str:name>/", views.new, name="operation-new"),
    path("operations/now/replay/", views.replay_now, name="replay-now"),
    path("operations/now/load/", lab_views.now, name="load-now"),
    path("operations/now/load-from-file/", lab_views.from_file, name="load-from-file"),
    path("lab/experiments/new/", views.new, {"name": "experiment"}, name="experiment-new"),
    path("lab/experiments/<slug:id>/stop/", lab_views.stop_experiment, name="experiment-stop"),
    path("lab/<slug:name>/file", lab_views.as_file, name="load-file"),
    path("operations/<int:number>/confirm/", views.confirm, name="operation-confirm"),
    path("operations/<int:number>/preview/", views.preview, name="operation-preview"),
    path("operations/<int:number>/cancel/", views.cancel, name="operation-cancel"),
    path("operations/<int:number>/undo/", views.undo, name="operation-undo"),
    path("operations/<int:number>/again/", views.again, name="operation-again"),
]
