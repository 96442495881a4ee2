"""The program of the MLflow server, which the fork server runs with uvicorn's arguments."""

import gc


def main() -> None:
    """Import the server, and serve."""
    gc.disable()  # what is imported lives on
    import mlflow.server.fastapi_app  # noqa: F401
    from uvicorn.main import main as serve

    gc.freeze()
    gc.enable()
    serve()
