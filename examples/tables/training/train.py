"""Train a model of the hours until a delivery, and save it with the signature of the raw table."""

import sys
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

COLUMNS = ["shop", "items", "weight_kg"]


def main(history: Path, output: Path) -> None:
    table = pd.concat([pd.read_parquet(file) for file in sorted(history.rglob("*.parquet"))])
    known = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("shop", known, ["shop"])], remainder="passthrough")
    model = make_pipeline(columns, SimpleImputer(), Ridge())
    model.fit(table[COLUMNS], table["hours"])
    mlflow.log_metric("r2", model.score(table[COLUMNS], table["hours"]))
    mlflow.sklearn.save_model(
        model,
        output,
        signature=infer_signature(table[COLUMNS], model.predict(table[COLUMNS])),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
