"""The engine: from the fields that a caller wants to the models that give them, loaded once and run in batches."""

from mien.engine.engine import Engine
from mien.engine.scanning import Failure, Item
from mien.engine.steps import Batch, Detector, Follower, Matter, Step, TemporalStep, Tracker, TrackerMaker
from mien.engine.tracking import Tracking
from mien.engine.verbs import analyze, default_engine, detect, scan, set_default_engine, track

__all__ = [
    "Batch",
    "Detector",
    "Engine",
    "Failure",
    "Follower",
    "Item",
    "Matter",
    "Step",
    "TemporalStep",
    "Tracker",
    "TrackerMaker",
    "Tracking",
    "analyze",
    "default_engine",
    "detect",
    "scan",
    "set_default_engine",
    "track",
]
