"""Settings of the whole of Sentinel; every variable it reads is explained in `docs/settings.md`."""

import secrets

from csp.constants import NONE, SELF

from sentinel import env

BASE_DIR = env.ROOT
SENTINEL_HOME = env.home()
KEYS_DIR = SENTINEL_HOME / "keys"
VERSION = env.version()


def _secret_key() -> str:
    """The signing secret of sessions: from the environment, else made once and kept at 0600."""
    if given := env.text("SENTINEL_SECRET_KEY"):
        return given
    path = KEYS_DIR / "django.secret"
    if path.exists():
        return path.read_text().strip()
    KEYS_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(48))
    return path.read_text().strip()


SECRET_KEY = _secret_key()
DEBUG = env.flag("SENTINEL_DEBUG")
PORT = env.number("SENTINEL_PORT", 8000, low=1, high=65535)
ALLOWED_HOSTS = env.names("SENTINEL_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.names("SENTINEL_ORIGINS")
# Behind a TLS front end cookies are sent over TLS alone; on loopback that would lock everyone out.
HTTPS = env.flag("SENTINEL_HTTPS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "csp",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "apps.core",
    "apps.audit",
    "apps.feed",
    "apps.accounts",
    "apps.fleet",
    "apps.telemetry",
    "apps.detection",
    "apps.attribution",
    "apps.incidents",
    "apps.response",
    "apps.drills",
    "apps.gateway",
    "apps.console",
]

MIDDLEWARE = [
    "apps.core.middleware.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.core.middleware.OneThread",
]

ROOT_URLCONF = "sentinel.urls"
ASGI_APPLICATION = "sentinel.asgi.application"
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
                "apps.console.context.shell",
            ],
        },
    }
]

DATABASE_URL = env.text("DATABASE_URL", "postgresql://sentinel@127.0.0.1:5432/sentinel")
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6379/0")
DATABASES = {"default": {**env.database(DATABASE_URL), "CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# In the database and not in Redis: sign-in and its throttle have to work when Redis is down.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "core_cache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = SENTINEL_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "apps.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": "10/m/ip,5/5m/key"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Sentinel"
MFA_FORMS = {"authenticate": "apps.accounts.forms.SecondFactorForm"}
# WebAuthn asks for TLS except on localhost, which browsers treat as secure.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "form-action": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

CELERY_BROKER_URL = REDIS_URL
# A broker that is away must not hold a web request: one short try, the sweep finds what was not rung.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 2, "socket_connect_timeout": 0.5, "max_retries": 1}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"

# How long a stopped run has to stay empty before it counts as verified dead.
RESPAWN_WATCH_SECONDS = env.number("SENTINEL_RESPAWN_WATCH", 10, low=1, high=600)
# How long an order waits at a host's door, and how long before silence is called UNREACHABLE.
ORDER_EXPIRY_SECONDS = env.number("SENTINEL_ORDER_EXPIRY", 900, low=30, high=86_400)
ORDER_SILENCE_SECONDS = env.number("SENTINEL_ORDER_SILENCE", 15, low=1, high=3600)
# A host that has not been heard for this long is late, and blind after four times that.
HOST_LATE_SECONDS = env.number("SENTINEL_HOST_LATE", 15, low=2, high=3600)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("SENTINEL_LOG_LEVEL", "INFO")},
}
