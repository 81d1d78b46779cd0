from django.urls import path

from dashboard.access import people_pages, token_pages
from dashboard.access.middleware import no_role_needed
from dashboard.access.views import SignIn, SignOut, open_signin_link

urlpatterns = [
    path("sign-in/", SignIn.as_view(redirect_authenticated_user=True), name="login"),
    path("sign-in/<str:token>", open_signin_link, name="signin-link"),
    path("sign-out/", no_role_needed(SignOut.as_view()), name="logout"),
    path("tokens/", token_pages.tokens, name="tokens"),
    path("tokens/<int:number>/revoke/", token_pages.revoke, name="token-revoke"),
    path("people/", people_pages.everybody, name="people"),
    path("people/<int:number>/role/", people_pages.change_role, name="person-role"),
    path("people/<int:number>/deactivate/", people_pages.deactivate, name="person-deactivate"),
    path("people/<int:number>/activate/", people_pages.activate, name="person-activate"),
    path("people/<int:number>/link/", people_pages.link, name="person-link"),
]
