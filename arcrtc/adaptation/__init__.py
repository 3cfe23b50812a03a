"""Policies that follow the network: statistics in, a decision out, no I/O and no clock."""
from arcrtc.adaptation.bitrate import AdaptiveBitrateConfig, AdaptiveBitrateController, BitrateDecision
from arcrtc.adaptation.gilbert import GilbertModel
from arcrtc.adaptation.repair import RepairDecision, RepairPolicy, RepairPolicyConfig
from arcrtc.adaptation.repairmeans import FecPlan, RepairOffer, RepairPlan, RepairStats

__all__ = [
    "AdaptiveBitrateConfig", "AdaptiveBitrateController", "BitrateDecision", "FecPlan", "GilbertModel",
    "RepairDecision", "RepairOffer", "RepairPlan", "RepairPolicy", "RepairPolicyConfig", "RepairStats"]
