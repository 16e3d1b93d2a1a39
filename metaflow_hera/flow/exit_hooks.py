"""@exit_hook: functions that are called when a run has ended, outside of the flow."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import FunctionType, MappingProxyType
from typing import Any, NamedTuple

from metaflow_hera.flow import checks
from metaflow_hera.flow.decorator import FlowDecorator
from metaflow_hera.flow.decorators import flow_decorators
from metaflow_hera.flow.steps import is_step

_NOTHING: Mapping[str, Any] = MappingProxyType({})

_KEYWORDS = 0x08
"""The flag of code that takes ``**keywords``."""


class exit_hook(FlowDecorator):  # noqa: N801  (decorators have the peer's names)
    """Call functions, or those of these names, after a run that succeeded, or that did not; may be written repeatedly.

    A name is that of a function of the flow's file, or ``module.function``. A function takes ``run``, or nothing.
    """

    repeats = True

    on_success: Any = ()
    on_error: Any = ()
    options: Mapping[str, Any] = _NOTHING

    @property
    def image(self) -> str:
        """Of the containers in which the functions are called; empty for that of the flow."""
        return self.options.get("image") or ""

    def problems(self) -> Iterator[str]:
        lists = {"on_success": self.on_success, "on_error": self.on_error}
        for when, hooks in lists.items():
            if not isinstance(hooks, list | tuple):
                yield f"{when} must be a list of functions, not {hooks!r}"
        if not any(lists.values()):
            yield "names no function; give on_success=[…] or on_error=[…]"
        yield from _option_problems(self.options)

    def problems_in(self, flow_class: type) -> Iterator[str]:
        for when, hooks in (("on_success", self.on_success), ("on_error", self.on_error)):
            for written in hooks:
                hook = _found(written, flow_class)
                yield from (f"{when}: {text}" for text in ([hook] if isinstance(hook, str) else _unfit(hook.function)))


class Hook(NamedTuple):
    """A function to call."""

    name: str
    """``function``, or ``module.function`` for one that is not of the flow's file."""
    function: Any

    @property
    def takes_run(self) -> bool:
        code = self.function.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return "run" in names or bool(code.co_flags & _KEYWORDS)


class HookGroup(NamedTuple):
    """Whether any functions are to be called in this image, and when."""

    image: str
    """Empty for that of the flow."""
    on_success: bool = False
    on_error: bool = False


def hooks_of(flow_class: type, *, succeeded: bool, image: str | None = None) -> tuple[Hook, ...]:
    """What is to be called after a run of a checked flow, in the order of the source, each once; in *image*, or in any.

    A function that several decorators name is called in the image of the first.
    """
    found: dict[str, tuple[Hook, str]] = {}
    for decorator in _exit_hooks(flow_class):
        for written in decorator.on_success if succeeded else decorator.on_error:
            hook = _found(written, flow_class)
            assert isinstance(hook, Hook), "the check of the flow has found it"
            found.setdefault(hook.name, (hook, decorator.image))
    return tuple(hook for hook, called_in in found.values() if image in (None, called_in))


def hook_groups(flow_class: type) -> tuple[HookGroup, ...]:
    """The images in which functions are to be called, in the order of the source."""
    groups = (
        HookGroup(image, *(bool(hooks_of(flow_class, succeeded=end, image=image)) for end in (True, False)))
        for image in dict.fromkeys(decorator.image for decorator in _exit_hooks(flow_class))
    )
    return tuple(group for group in groups if group.on_success or group.on_error)


def _exit_hooks(flow_class: type) -> Iterator[exit_hook]:
    return (decorator for decorator in flow_decorators(flow_class) if isinstance(decorator, exit_hook))


def _option_problems(options: object) -> Iterator[str]:
    if not isinstance(options, Mapping):
        yield f"options must be a dictionary, not {options!r}"
        return
    yield from (f"options has no {key!r}; it has image" for key in options if key != "image")
    yield from checks.words("options: image", options.get("image"))


def _found(written: object, flow_class: type) -> Hook | str:
    """The function that was written or named; or what is wrong, as the end of a sentence."""
    if not isinstance(written, str):
        if not isinstance(written, FunctionType):
            return f"takes functions, and names of functions, not {written!r}"
        own = written.__module__ == flow_class.__module__
        return Hook(written.__qualname__ if own else f"{written.__module__}.{written.__qualname__}", written)
    module_name, _, name = written.rpartition(".")
    try:
        module = import_module(module_name) if module_name else sys.modules[flow_class.__module__]
    except Exception as error:  # noqa: BLE001  (a module of the user's may raise anything)
        return f"the module of {written!r} cannot be imported: {type(error).__name__}: {error}"
    function = getattr(module, name, None)
    if not isinstance(function, FunctionType):
        where = f"module {module_name!r}" if module_name else "the flow's file"
        return f"there is no function {name!r} in {where}"
    return Hook(written, function)


def _unfit(function: Any) -> Iterator[str]:
    """What keeps a function from being called when a run has ended."""
    if is_step(function):
        yield f"{function.__name__!r} is a step; write a function outside of the class"
    elif "<" in function.__qualname__ or "." in function.__qualname__:
        yield f"{function.__qualname__!r} must be at the top of a module, where another process finds it by its name"
    else:
        code = function.__code__
        count = code.co_argcount - len(function.__defaults__ or ())
        keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        needed = (
            *code.co_varnames[:count],
            *(name for name in keywords if name not in (function.__kwdefaults__ or {})),
        )
        if others := [name for name in needed if name != "run"]:
            yield f"{function.__name__!r} takes {', '.join(others)}; it may take run, or nothing"
