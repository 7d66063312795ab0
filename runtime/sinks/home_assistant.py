"""What Home Assistant finds by itself: its MQTT discovery (home-assistant.io/integrations/mqtt)."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PREFIX = "homeassistant"
"""What discovery topics begin with, unless somebody set Home Assistant up otherwise."""


@dataclass(frozen=True)
class Device:
    """What answers: one device of Home Assistant."""

    bundle: str
    version: str
    board: str
    prefix: str = PREFIX


_SENSORS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("answer", "Answer", {"value_template": "{{ value_json.label }}", "icon": "mdi:eye"}),
    (
        "confidence",
        "Confidence",
        {
            "value_template": "{{ (value_json.confidence | float(0) * 100) | round(1) }}",
            "unit_of_measurement": "%",
            "state_class": "measurement",
        },
    ),
    (
        "latency",
        "Latency",
        {
            "value_template": "{{ (value_json.latency_us / 1000) | round(3) }}",
            "unit_of_measurement": "ms",
            "device_class": "duration",
            "state_class": "measurement",
        },
    ),
    (
        "energy",
        "Net energy of an answer",
        {
            "value_template": "{{ (value_json.net_nj | float(0) / 1000000) | round(4) }}",
            "unit_of_measurement": "mJ",
            "state_class": "measurement",
        },
    ),
)
"""Key, name, and what is particular."""


def discovery_messages(device: Device, topic: str) -> Iterator[tuple[str, str]]:
    """Yield topic and payload of each sensor's description, to be retained.

    Args:
        device: what answers.
        topic: that answers are published to.
    """
    node = re.sub("[^A-Za-z0-9_-]", "_", topic)
    shared: dict[str, Any] = {
        "state_topic": topic,
        "availability_topic": f"{topic}/availability",
        "device": {
            "identifiers": [f"edge_infer_{node}"],
            "name": topic.rpartition("/")[2],
            "model": device.bundle,
            "sw_version": device.version,
            "hw_version": device.board,
            "manufacturer": "edge-infer",
        },
    }
    for key, name, particular in _SENSORS:
        unique = f"edge_infer_{node}_{key}"
        more = {"json_attributes_topic": topic} if key == "answer" else {}
        config = {"name": name, "unique_id": unique, **particular, **more, **shared}
        yield f"{device.prefix}/sensor/edge_infer_{node}/{key}/config", json.dumps(config)
