"""What calls choose from, as type checkers want it: they do not see that ``LimitChoice.WAIT_UP_TO(...)`` is a
``LimitChoice``."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from ._native.wa import GroupSetting, LimitChoice


def wait_up_to(duration: timedelta) -> LimitChoice:
    """At a limit: wait up to this long, then say so. Without a choice, :class:`~wa.errors.LimitedError` is raised at once."""
    return cast(LimitChoice, LimitChoice.WAIT_UP_TO(duration=duration))


def enqueue(deadline: timedelta) -> LimitChoice:
    """At a limit: keep it, and send it when it may be sent, if that is within this long."""
    return cast(LimitChoice, LimitChoice.ENQUEUE(deadline=deadline))


def announcement(is_on: bool) -> GroupSetting:
    """Only admins write."""
    return cast(GroupSetting, GroupSetting.ANNOUNCEMENT(is_on=is_on))


def locked(is_on: bool) -> GroupSetting:
    """Only admins change subject, description and picture."""
    return cast(GroupSetting, GroupSetting.LOCKED(is_on=is_on))


def disappearing(after: timedelta | None) -> GroupSetting:
    """How long the group's messages stay; for good without a time."""
    return cast(GroupSetting, GroupSetting.DISAPPEARING(after=after))


def join_approval(is_on: bool) -> GroupSetting:
    """Admins let people in."""
    return cast(GroupSetting, GroupSetting.JOIN_APPROVAL(is_on=is_on))


def admins_add(is_on: bool) -> GroupSetting:
    """Only admins add people."""
    return cast(GroupSetting, GroupSetting.ADMINS_ADD(is_on=is_on))
