"""What the team has decided in `monitoring/policy.toml` and `serving/server.toml`: read and checked in one place."""

from mlops.policy.alerts import AlertPolicy, Channel, ChannelOptions
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
from mlops.policy.serving import LimitPolicy, LogPolicy, ServingPolicy, ShadowPolicy, read_serving_policy

__all__ = [
    "HEALTH_PARTS",
    "SAME",
    "AlertPolicy",
    "Channel",
    "ChannelOptions",
    "Costs",
    "DriftPolicy",
    "LimitPolicy",
    "LogPolicy",
    "Policy",
    "PromotionPolicy",
    "RecommendPolicy",
    "RetrainPolicy",
    "ServingPolicy",
    "ShadowPolicy",
    "SlicePolicy",
    "Terms",
    "UnitCost",
    "Weight",
    "read_policy",
    "read_serving_policy",
]
