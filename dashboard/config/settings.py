"""Django's settings. Everything that differs between installations comes from the environment (`.env.example`).

One rule decides between the two ways of running: an installation whose ALLOWED_HOSTS are all loopback is local
(plain HTTP, a generated secret key); any other one is public, and is held to HTTPS, secure cookies, HSTS, collected
static files and a secret key that somebody chose.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import csp.constants as csp

from dashboard.config import environment as env
from dashboard.config.redis_urls import celery_url, control_url

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VAR_DIR = Path(env.text("STREAMLAB_VAR", str(BASE_DIR / "var"))).absolute()

ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", env.LOOPBACK)
PUBLIC = not set(ALLOWED_HOSTS) <= set(env.LOOPBACK)
HTTPS = env.flag("STREAMLAB_HTTPS", PUBLIC)
DEBUG = env.flag("STREAMLAB_DEBUG", False)
SECRET_KEY = env.secret_key(VAR_DIR, generate=not PUBLIC)

# Event data and everything else are apart from the first day: the data may live on a cluster, Celery and Channels can't.


def _running_embedded() -> str | None:
    from streamlab.embedded import EmbeddedServer

    return EmbeddedServer.running_url(VAR_DIR / "redis")


STREAMLAB_URL = env.text("STREAMLAB_URL") or _running_embedded()
REDIS_URL = env.text("REDIS_URL") or control_url(STREAMLAB_URL)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "csp",
    "axes",
    "dashboard.access",
    "dashboard.audit",
    "dashboard.operations",
    "dashboard.alerts",
    "dashboard.masking",
    "dashboard.outbox",
    "dashboard.pages",
    "dashboard.live",
    "dashboard.projections",
    "dashboard.idempotence",
    "dashboard.supervisor",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "dashboard.config.headers.SecurityHeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "dashboard.config.static_files.StaticFilesMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # pages shrink to a fifth; static files are compressed once, beforehand
    "dashboard.config.nul.NoNulMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "dashboard.access.middleware.RoleRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "dashboard.config.urls"
ASGI_APPLICATION = "dashboard.config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.access.context.roles",
            ],
        },
    },
]

# The database

DATABASES = {"default": env.database(env.text("DATABASE_URL"), VAR_DIR / "streamlab.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

HISTORY_DAYS = env.number("STREAMLAB_HISTORY_DAYS", 90)  # what the tables of history keep; 0: everything

# Who may come in

AUTH_USER_MODEL = "access.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
SIGNIN_LINK_LIFETIME = timedelta(minutes=15)

AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # neither one alone: nobody can lock out somebody else
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_HTTP_RESPONSE_CODE = 429
AXES_VERBOSE = False

API_RATE = env.number(
    "STREAMLAB_API_RATE", 50
)  # calls a second of one token or person; 0: as many as they like

# Cookies and headers

SESSION_COOKIE_NAME = "__Host-streamlab_session" if HTTPS else "streamlab_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # scripts take the CSRF token from the page
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(timedelta(days=7).total_seconds())
CSRF_COOKIE_NAME = "__Host-streamlab_csrf" if HTTPS else "streamlab_csrf"
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # a load balancer asks inside the house
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.NONE],
        "script-src": [csp.SELF],
        "style-src": [csp.SELF],
        "style-src-attr": [csp.UNSAFE_INLINE],  # Plotly sets style attributes; no script can come of one
        "img-src": [csp.SELF, "data:", "blob:"],  # Tabler's icons in CSS; Plotly's "download as image"
        "font-src": [csp.SELF],
        "connect-src": [csp.SELF],
        "form-action": [csp.SELF],
        "frame-ancestors": [csp.NONE],
        "base-uri": [csp.NONE],
        "object-src": [csp.NONE],
    }
}

# Static files: local, hashed and compressed

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_COLLECTED = PUBLIC or env.text("STREAMLAB_STATIC") == "collected"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED  # straight from the source folders while nothing is collected
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Channels carries small control messages only ("operation finished", "session revoked"), never the live figures

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "sl:channels"},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# Celery runs operators' jobs, never events

CELERY_BROKER_URL = celery_url(REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": "sl:celery:",
    "visibility_timeout": int(timedelta(hours=12).total_seconds()),
    "socket_timeout": 15,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_ACKS_LATE = (
    False  # with it on, the worker was seen to exit when Redis restarted under a running task
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "heartbeat": {
        "task": "dashboard.heartbeat.beat",
        "schedule": 5.0,
        # One that waited this long says nothing about now: let it be dropped instead of queueing up.
        "options": {"expires": 10},
    },
    "advice": {
        "task": "dashboard.advice.keep_fresh",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "operations": {
        "task": "dashboard.operations.look_after",
        "schedule": 10.0,
        "options": {"expires": 20},
    },
}

# Alerts: where links in them lead, and how they get out

PUBLIC_URL = env.text(
    "STREAMLAB_PUBLIC_URL",
    f"https://{ALLOWED_HOSTS[0].lstrip('*.')}" if PUBLIC else f"http://127.0.0.1:{env.text('PORT', '8000')}",
).rstrip("/")
WEBHOOK_PRIVATE = env.flag("STREAMLAB_WEBHOOK_PRIVATE", False)  # webhooks to this machine and its network
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_CONFIGURED = bool(EMAIL_HOST)
EMAIL_BACKEND = (
    "dashboard.alerts.channels.smtp.EmailBackend"
    if EMAIL_CONFIGURED
    else "django.core.mail.backends.dummy.EmailBackend"
)
EMAIL_USE_SSL = env.flag("EMAIL_USE_SSL", False)
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", False)
EMAIL_PORT = env.number("EMAIL_PORT", 465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "streamlab@localhost")

# Words and times

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {
        "no_probes": {"()": "dashboard.config.probes.NotAProbe"},
        "no_links": {"()": "dashboard.config.secrets_in_logs.WithoutLinks"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["no_links"]}},
    "root": {"handlers": ["stderr"], "level": env.text("STREAMLAB_LOG_LEVEL", "INFO")},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "django.request": {"filters": ["no_probes"]},
        # The heartbeat runs every five seconds; its comings and goings are not news.
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        # Django's own handler mails administrators and talks to consoles in DEBUG only; the root handler says it all.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
    },
}
