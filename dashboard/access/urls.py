from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from dashboard.access.middleware import no_role_needed
from dashboard.access.views import open_signin_link

urlpatterns = [
    path("sign-in/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("sign-in/<str:token>", open_signin_link, name="signin-link"),
    path("sign-out/", no_role_needed(LogoutView.as_view()), name="logout"),
]
