"""A policy's governor for a board, as `run` opens it."""

from typing import Unpack

from edge_infer.boards.contract import Board
from edge_infer.models_tflite import Bundle
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.policies.context import PolicyContext, PolicyOptions, PolicySettings
from edge_infer.runtime.policies.policy import open_policy


def live_governor(
    policy: str, bundle: Bundle, board: Board, threads: int = 1, **options: Unpack[PolicyOptions]
) -> Governor:
    return open_policy(policy, PolicyContext(bundle, board, PolicySettings(**options), threads))
