"""Results are computed once: by a policy of one's own, and by arguments that count."""

from typing import Any

from towpath import flow, task
from towpath.cache_policies import INPUTS, CachePolicy

computed: list[str] = []


class ByWeek(CachePolicy):
    """Days of one week share a result."""

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str:
        return f"{task_ctx.task.name}-{flow_parameters['year']}-{inputs['day'] // 7}"


@task(cache_policy=ByWeek(), persist_result=True)
def forecast(day: int) -> str:
    computed.append(f"forecast {day}")
    return f"week {day // 7}"


@task(cache_policy=INPUTS - "session", persist_result=True)
def download(name: str, session: object) -> str:
    computed.append(f"download {name}")
    return name.upper()


@flow
def plan(year: int) -> list[str]:
    states = [forecast(day, return_state=True) for day in (1, 3, 8)]
    print([state.name for state in states])
    return [download("map", object()), download("map", object())]


if __name__ == "__main__":
    print(plan(2026))
    print(computed)
