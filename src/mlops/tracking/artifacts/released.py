"""The code files that our models were ever logged with: the only code out of a model's folder that we run.

MLflow copies `pyfunc.py` into each model and executes that copy, so whoever can write into the folder of a model could
have any code run by whoever loads it. A file is known by the SHA-256 of its bytes. A test compares the newest with the
file itself: when that changes, its digest is added here, and the older ones stay, so that older models load.
"""

__all__ = ["RELEASED"]

RELEASED = {
    "44fba3a715b8d344b41a939bf72704b0dac86aee0daef4cff43ebd81a6c36dc6": "0.1.0, the first that was logged",
    "60860627e69ca2bbd7def08864c4bd6c4e936999f2d1f00f6ae1a1488219dbd3": "0.1.0, before components",
    "f599eceecaf0e1825f1cea19b8d97c6a475fbb05e6c19742bf696165efeaae9b": "0.1.0, before levels and names",
    "bbc64e7121b28b99fb7cb1e78a952f9fa298d5528e2e2fc459787d938ea5c69e": "0.1.0",
}
"""By digest, the version of this package that it came with; the newest last."""
