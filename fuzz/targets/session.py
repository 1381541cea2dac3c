"""Whole conversations with a server that is open to anybody."""

from __future__ import annotations

from fuzz.conversations import Conversations

__all__ = ["check", "conversations"]

conversations = Conversations()

check = conversations.check
