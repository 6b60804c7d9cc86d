"""What the team has decided in `monitoring/policy.toml`: one object, read and checked in one place."""

from mlops.policy.alerts import AlertPolicy, Channel
from mlops.policy.policy import (
    HEALTH_PARTS,
    SAME,
    Costs,
    DriftPolicy,
    Policy,
    PromotionPolicy,
    RecommendPolicy,
    RetrainPolicy,
    SlicePolicy,
    Terms,
    UnitCost,
    Weight,
    read_policy,
)

__all__ = [
    "HEALTH_PARTS",
    "SAME",
    "AlertPolicy",
    "Channel",
    "Costs",
    "DriftPolicy",
    "Policy",
    "PromotionPolicy",
    "RecommendPolicy",
    "RetrainPolicy",
    "SlicePolicy",
    "Terms",
    "UnitCost",
    "Weight",
    "read_policy",
]
