from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """Hold one task as the scripts see it."""

    id: str
    name: str
    wave: int
    deps: tuple[str, ...]
    timeout: int | None
    prompt: str
    component: str | None = None
    agent: str | None = None

    @property
    def branch(self) -> str:
        """Name the task's branch."""
        return f"feature/{self.name}"


@dataclass(frozen=True)
class Wave:
    """Hold the tasks that may run side by side."""

    number: int
    tasks: tuple[Task, ...]
    validation: str | None = None


@dataclass(frozen=True)
class Settings:
    """Hold what a user chose for the scripts; times in seconds."""

    max_concurrent: int = 3
    task_timeout: int = 7200
    workspace_root: str = "../workspaces"
    base_branch: str = ""
    agent: str = "claude"
    agent_command: str = ""
    skip: tuple[str, ...] = ()
    grace: int = 10


@dataclass(frozen=True)
class Plan:
    """Hold everything that the scripts are rendered from."""

    title: str
    tech_spec: str
    waves: tuple[Wave, ...]
    settings: Settings = Settings()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """List all tasks in plan order."""
        return tuple(task for wave in self.waves for task in wave.tasks)
