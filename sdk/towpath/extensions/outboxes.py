"""Delivers the reports that ended processes of a home have left in their outboxes."""

from __future__ import annotations

from towpath._delivery.takeover import DeliveryReport, deliver_waiting

__all__ = ["DeliveryReport", "deliver_waiting"]
