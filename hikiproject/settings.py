"""All settings; README 'Configuration' lists the names. Nothing else asks `environment`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pghistory
from csp.constants import NONE, SELF

from hikiproject import catalogues, logs
from hikiproject.artefacts import storage_of
from hikiproject.environment import address, env, number, refuse_to_start, whole, yes_no
from hikiproject.state import default_state

BASE_DIR = Path(__file__).resolve().parent.parent
# Only PostgreSQL (15 or newer) keeps this study's rules.
DATABASE_URL = address(
    "DATABASE_URL", ("postgres", "postgresql"), "postgres://USER:PASSWORD@HOST:PORT/NAME"
)
REDIS_URL = address("REDIS_URL", ("redis", "rediss"), "redis://:PASSWORD@HOST:PORT/0")
SECRET_KEY = env.str("HIKI_SECRET_KEY", default="")
# Without URLs this is one machine that runs everything itself; with them, somebody's deployment.
EMBEDDED = not (DATABASE_URL and REDIS_URL)
if EMBEDDED:
    from hikiproject import embedded

    try:
        _services = embedded.ensure()
    except embedded.ServicesUnavailable as error:
        refuse_to_start(str(error))
    DATABASE_URL = DATABASE_URL or _services.database_url
    REDIS_URL = REDIS_URL or _services.redis_url
    SECRET_KEY = SECRET_KEY or embedded.secret_key()
if not SECRET_KEY:
    refuse_to_start("Set HIKI_SECRET_KEY; see 'Configuration' in README.md.")

STATE_DIR = default_state()  # HIKI_STATE, or .hiki beside manage.py
MEDIA_ROOT = Path(env.str("HIKI_FILES", default=str(STATE_DIR / "files")))
# Inputs that workers of one run share, on this machine or, for workers on several, in a bucket.
try:
    _artefacts = storage_of(
        env.str("HIKI_ARTEFACTS", default=str(STATE_DIR / "artefacts")),
        env.str("HIKI_ARTEFACTS_ENDPOINT", default=""),
    )
except ValueError as error:
    refuse_to_start(str(error))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "artefacts": _artefacts,
}
DEBUG = yes_no("HIKI_DEBUG", False)
ALLOWED_HOSTS = env.list("HIKI_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("HIKI_TRUSTED_ORIGINS", default=[])
HTTPS = yes_no("HIKI_HTTPS", not EMBEDDED)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "pgtrigger",
    "pghistory",
    "hikiproject",
    "cohorts",
    "analysis",
]
MIDDLEWARE = [
    "hikiproject.logs.identified",
    "django.middleware.security.SecurityMiddleware",
    "analysis.api.polling.unchanged_runs",
    "hikiproject.packing.PackingMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "hikiproject.languages.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "cohorts.history.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "cohorts.sign_in.SecondFactorMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "cohorts.middleware.roles_read_once",
    "hikiproject.busy.BusyMiddleware",
    "hikiproject.refusals.UnheldValueMiddleware",
    "hikiproject.refusals.UnreadableAddressMiddleware",
]
ROOT_URLCONF = "hikiproject.urls"
WSGI_APPLICATION = "hikiproject.wsgi.application"
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
                "django.template.context_processors.i18n",
            ]
        },
    }
]

# A service waits this long for another's lock, is tried three times, then says 503.
LOCK_TIMEOUT_SECONDS = whole("HIKI_LOCK_TIMEOUT_SECONDS", 7, least=1)
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
DATABASES["default"] |= {
    "CONN_MAX_AGE": 60,
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": {
        "connect_timeout": 5,
        # The one statement that is kept prepared (a poll) would be planned anew each time, which
        # takes three times as long as what it reads.
        "options": f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s -c plan_cache_mode=force_generic_plan",
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # A cache that hangs costs a request a moment, and the next ones nothing.
        "OPTIONS": {"socket_timeout": 0.3, "socket_connect_timeout": 0.3},
    }
}

# --- people
AUTH_USER_MODEL = "cohorts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_ADAPTER = "cohorts.sign_in.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # an invitation reaches its address or is never answered
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "hikiproject: "
MFA_FORMS = {"add_webauthn": "cohorts.forms.second_factor.KeyForm"}
MFA_ADAPTER = "cohorts.sign_in.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "hikiproject"
MFA_TOTP_TOLERANCE = 1  # clocks of telephones are half a minute off
# Browsers take passkeys without HTTPS on this machine's own name only.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
USERSESSIONS_TRACK_ACTIVITY = False  # one more write a request for nothing that anybody asked
# Who needs a second factor: everybody, consortium roles, or nobody.
SECOND_FACTOR = env.str("HIKI_SECOND_FACTOR", default="nobody" if EMBEDDED else "everybody")
if SECOND_FACTOR not in ("everybody", "consortium", "nobody"):
    refuse_to_start("HIKI_SECOND_FACTOR is everybody, consortium or nobody.")
# After this many wrong passwords in a row each further one makes the wait twice as long.
SIGN_IN_FREE_TRIES = 5
ALLAUTH_TRUSTED_PROXY_COUNT = int(yes_no("HIKI_BEHIND_PROXY", False))
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_AGE = int(timedelta(hours=8).total_seconds())
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SAMESITE = SESSION_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if yes_no("HIKI_BEHIND_PROXY", False) else None
)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

# --- history of the records, by triggers: each event carries who and why in a column of its own,
# and every value may be blanked when somebody is erased
PGHISTORY_FIELD = pghistory.Field(null=True)
PGHISTORY_FOREIGN_KEY_FIELD = pghistory.ForeignKey(null=True, db_index=False)
PGHISTORY_OBJ_FIELD = pghistory.ObjForeignKey(related_name="events", null=False, db_index=True)
PGHISTORY_CONTEXT_FIELD = pghistory.ContextJSONField()
PGHISTORY_CONTEXT_ID_FIELD = pghistory.ContextUUIDField()
PGHISTORY_MIDDLEWARE_METHODS = ("POST", "PUT", "PATCH", "DELETE")

# --- mail: invitations, new passwords. Without a server, messages are files of the state folder.
# A path after the third slash would begin where the process was started.
_mail = env.email_url("HIKI_EMAIL_URL", default=f"filemail:///{STATE_DIR / 'mail'}")
vars().update(_mail)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("HIKI_EMAIL_FROM", default="hikiproject@localhost")
EMAIL_TIMEOUT = 5
# What a link in a mail of the workers begins with: they answer no request that would tell them.
PUBLIC_ORIGIN = next(iter(CSRF_TRUSTED_ORIGINS), "")

# --- files that sites send
UPLOAD_MAX_BYTES = whole("HIKI_UPLOAD_MAX_MB", 100, least=1) * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
FILE_UPLOAD_PERMISSIONS = 0o640

# --- erasure: how long after its approval it can still be stopped
ERASURE_GRACE = timedelta(hours=number("HIKI_ERASURE_GRACE_HOURS", 24.0))
# The ledger lies beside the database, so that a restored backup does not bring the erased back.
ERASURE_LEDGER = Path(env.str("HIKI_ERASURE_LEDGER", default=str(STATE_DIR / "erasures.jsonl")))
ERASURE_KEY = env.str("HIKI_ERASURE_KEY", default=SECRET_KEY)

# --- language, time, static files
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ja", "日本語")]
# Catalogues are kept as text and compiled at the start: nobody needs GNU gettext.
LOCALE_PATHS = [catalogues.compile_into(STATE_DIR / "locale")]
LANGUAGE_COOKIE_AGE = int(timedelta(days=365).total_seconds())
LANGUAGE_COOKIE_SECURE, LANGUAGE_COOKIE_HTTPONLY, LANGUAGE_COOKIE_SAMESITE = HTTPS, True, "Lax"
FORMAT_MODULE_PATH = "hikiproject.formats"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = STATE_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise asks for it at every start
# Served from the apps' own folders: no collectstatic step that a newcomer could forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
# A version of somebody else's file has an address of its own, so browsers need not ask again.
WHITENOISE_IMMUTABLE_FILE_TEST = r"/vendor/[a-z]+-[0-9.]+/"

# --- API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "cohorts.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "cohorts.api.negotiation.FormatBeforeAccept",
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "cohorts.api.pagination.IdCursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "hikiproject.exception_handler.problem_response",
    "DEFAULT_THROTTLE_CLASSES": ["cohorts.api.throttling.AccountThrottle"],
    "PAGE_SIZE": 100,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
# Requests of one account in a minute, answers 304 to a polling program not counted.
RATE_PER_MINUTE = whole("HIKI_RATE_PER_MINUTE", 600)
# Requests that may wait for a run to move on, in each process of the web server.
LONG_POLLS = whole("HIKI_LONG_POLLS", 3)
# Webhooks reach the open internet only. For tests: addresses of this machine too, without TLS.
WEBHOOKS_TO_LOOPBACK = yes_no("HIKI_WEBHOOKS_TO_LOOPBACK", False)
SPECTACULAR_SETTINGS = {
    "TITLE": "hikiproject",
    "DESCRIPTION": "A living multi-site study of the blood biomarkers of hikikomori.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "cohorts.api.chosen_columns.describe",
    ],
    "ENUM_NAME_OVERRIDES": {  # two choices of one name, or one of two
        "ScopeEnum": "cohorts.models.consent.SCOPES",
        "SpinEnum": "cohorts.models.Sample.Spin",
        "StorageEnum": "cohorts.models.Sample.Storage",
        "QueryStateEnum": "cohorts.models.query.Query.State",
        "RunStateEnum": "analysis.models.Run.State",
    },
}

# --- queue: the broker is a bell; what is owed stands in the database
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # the sweep rings again; redelivery loops do not end
CELERY_TASK_TIME_LIMIT = whole("HIKI_RUN_TIME_LIMIT", 3600, least=1)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": CELERY_TASK_TIME_LIMIT + 600,
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
    "retry_on_timeout": False,
}
CELERY_TASK_DEFAULT_QUEUE = env.str("HIKI_QUEUE", default="hiki")
# Short tasks have a queue and a process of their own: they never wait behind a run.
LIGHT_QUEUE = f"{CELERY_TASK_DEFAULT_QUEUE}.light"
CELERY_TASK_ROUTES = {
    "analysis.sweep": {"queue": LIGHT_QUEUE},
    "analysis.webhooks": {"queue": LIGHT_QUEUE},
    "analysis.mails": {"queue": LIGHT_QUEUE},
}
# A run waits until no change has come for this long, so that a burst becomes one run; after a lone
# change for a quarter of it ...
SETTLE_SECONDS = number("HIKI_SETTLE_SECONDS", 2.0)
# ... but not longer than this after the first change it has not seen.
SETTLE_AT_MOST_SECONDS = number("HIKI_SETTLE_AT_MOST_SECONDS", 30.0)
# With the sweep that finds it, a dead worker's run is computing again within a minute. A living one
# renews its lease three times meanwhile.
RUN_LEASE_SECONDS = number("HIKI_RUN_LEASE_SECONDS", 30.0, least=0.1)
RUN_ATTEMPTS = 3
# A part of a run that another worker computes, and whose worker dies, is taken over.
PART_LEASE_SECONDS = number("HIKI_PART_LEASE_SECONDS", 20.0, least=0.1)
# Results of steps are kept for later runs until unused for so long, or until they take more.
KEEP_STEPS_DAYS = number("HIKI_KEEP_STEPS_DAYS", 30.0)
KEEP_STEPS_BYTES = whole("HIKI_KEEP_STEPS_MB", 2000) * 1024 * 1024
# Result tables of runs that were never released go when they are so old, but not the newest few.
KEEP_TABLES_DAYS = number("HIKI_KEEP_TABLES_DAYS", 365.0)
KEEP_TABLES_RUNS = whole("HIKI_KEEP_TABLES_RUNS", 20, least=1)
SWEEP_SECONDS = number("HIKI_SWEEP_SECONDS", 20.0, least=0.1)
CELERY_BEAT_SCHEDULE = {"sweep": {"task": "analysis.sweep", "schedule": SWEEP_SECONDS}}

# /readyz wants a sweep that finished within so many seconds.
READY_SECONDS = number("HIKI_READY_SECONDS", 180.0)

# --- disclosure (docs/for-analysts.md): fewest participants behind any number that an analyst sees
DISCLOSURE_K = whole("HIKI_DISCLOSURE_K", 10)
if DISCLOSURE_K < 5:
    refuse_to_start("HIKI_DISCLOSURE_K is below 5: numbers on so few people are not released.")

# A line a person reads on one machine, a JSON object a line in a deployment.
LOGGING = logs.configuration(
    as_json=yes_no("HIKI_LOG_JSON", not EMBEDDED),
    level=env.str("HIKI_LOG_LEVEL", default="WARNING"),
)
