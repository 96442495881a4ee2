"""The commands that notifications recommend, as a person types them."""


def rerun_command(feed: str, partition: str) -> str:
    """Return the command that scores a partition again."""
    return f'tidegate rerun {feed} {partition} --reason "..."'
