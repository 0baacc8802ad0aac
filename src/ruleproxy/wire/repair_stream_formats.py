"""Which streams can be repaired, and by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ruleproxy.wire.formats import Api
from ruleproxy.wire.repair_stream import Asked, StreamRepairer
from ruleproxy.wire.repair_stream_anthropic import MessageRepairer
from ruleproxy.wire.repair_stream_openai import ChunkRepairer

REPAIRERS: Mapping[Api, Callable[[Asked], StreamRepairer]] = {
    "anthropic.messages": MessageRepairer,
    "bedrock.invoke": MessageRepairer,
    "vertex.rawpredict": MessageRepairer,
    "openai.chat": ChunkRepairer,
}
"""What repairs the streams of a format, by the format that the client's path names."""
