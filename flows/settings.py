"""What the environment decides: where styles live, and how Prefect behaves when nobody set it up."""

import os
from pathlib import Path

# Nothing is sent anywhere, and a cold start of the embedded server (measured: 21 s) is no error.
_PREFECT_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}


def ganst_home() -> Path:
    """`$GANST_HOME`, else the user's data folder as the platform has it."""
    import platformdirs

    home = os.environ.get("GANST_HOME")
    return Path(home).expanduser() if home else Path(platformdirs.user_data_dir("ganst"))


def styles_home() -> Path:
    """Where trained and imported style packs live."""
    return ganst_home() / "styles"


def datasets_home() -> Path:
    """Where datasets live."""
    return ganst_home() / "datasets"


def set_prefect_defaults() -> None:
    """Call before Prefect is imported; what the user has set stays."""
    for name, value in _PREFECT_DEFAULTS.items():
        os.environ.setdefault(name, value)


def keep_prefect_quiet() -> None:
    """Keep Prefect's log off the terminal, where the command line speaks; the server still has it.

    Call before Prefect is imported. `PREFECT_LOGGING_LEVEL` set by the user means: show it.
    """
    if "PREFECT_LOGGING_LEVEL" not in os.environ:
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
