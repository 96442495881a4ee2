"""How members of each kind are stored in an entry of a shard, and read again.

A loader is named in the index: `lightgbm-text`, `npz` or `cloudpickle`. Only the last one runs code of its
own when it is loaded. It is for members of a user's own training, and is loaded in jobs and endpoints only.
"""

import base64
import io
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from model_sets.errors import SetError
from model_sets.features import FeaturePlan
from model_sets.members import FeatureMember, Member, ScaledMember, SeasonalNaive, Tail, UserMember
from model_sets.ridge import Ridge

Array = np.ndarray[Any, Any]
LOADERS = ("lightgbm-text", "npz", "cloudpickle")
MARK = b"\ntidegate_tail:"  # LightGBM ignores what follows its own text
STATISTICS = "split_gain|leaf_weight|leaf_count|internal_value|internal_weight|internal_count|tree_sizes"
UNUSED = re.compile(rf"^(?:{STATISTICS})=.*\n", re.MULTILINE)


def lightgbm_content(text: str, tail: Tail, scale: float = 1.0) -> bytes:
    """Return a LightGBM model as text, with the values that its features need in a last line.

    The model's values, and those of the tail, are the key's values divided by `scale`. Statistics of the
    training that no forecast needs are left out: they are half of the text.
    """
    values = base64.b64encode(tail.values.astype("<f4").tobytes()).decode()
    fields = {"end": int(tail.end), "values": values} | ({} if scale == 1.0 else {"scale": scale})
    line = json.dumps(fields)
    return UNUSED.sub("", text).rstrip("\n").encode() + MARK + line.encode() + b"\n"


def npz_content(kind: str, tail: Tail, arrays: Mapping[str, Array] = MappingProxyType({})) -> bytes:
    """Return the arrays of a member of the kind `ridge` or `seasonal_naive`."""
    file = io.BytesIO()
    everything: dict[str, Any] = {"kind": np.array(kind), "end": np.array(tail.end), "tail": tail.values}
    np.savez(file, **(everything | dict(arrays)))
    return file.getvalue()


def cloudpickle_content(model: Any) -> bytes:
    import cloudpickle

    return cloudpickle.dumps(model)  # type: ignore[no-any-return]


def load_member(loader: str, content: bytes, plan: FeaturePlan) -> Member:
    """Return the member of an entry. Raise SetError if its content does not fit its loader."""
    try:
        if loader == "lightgbm-text":
            return _load_lightgbm(content, plan)
        if loader == "npz":
            return _load_npz(content, plan)
    except (ValueError, KeyError, OSError) as error:
        raise SetError(f"the content does not fit the loader {loader}: {error}") from error
    if loader == "cloudpickle":
        import cloudpickle

        return UserMember(cloudpickle.loads(content), len(content))
    raise SetError(f"loader {loader!r} is none of {', '.join(LOADERS)}")


def _load_lightgbm(content: bytes, plan: FeaturePlan) -> Member:
    import lightgbm

    text, mark, line = content.rpartition(MARK)
    if not mark:
        raise ValueError("the line with the newest values is missing")
    fields = json.loads(line)
    tail = Tail(fields["end"], np.frombuffer(base64.b64decode(fields["values"]), "<f4"))
    booster = lightgbm.Booster(model_str=text.decode())

    def predict(features: Array) -> Array:
        return np.asarray(booster.predict(features, num_threads=1))

    member = FeatureMember(plan, tail, predict, len(content))
    return ScaledMember(member, float(fields["scale"])) if "scale" in fields else member


def _load_npz(content: bytes, plan: FeaturePlan) -> Member:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    tail = Tail(int(arrays["end"]), arrays["tail"])
    kind = str(arrays["kind"])
    if kind == "seasonal_naive":
        return SeasonalNaive(plan, tail)
    if kind == "ridge":
        ridge = Ridge.of(plan, arrays)
        return FeatureMember(plan, tail, ridge.predict, len(content))
    raise ValueError(f"kind {kind!r} is none of ridge, seasonal_naive")
