"""The text of a denial, as AWS words it."""


def denial_message(
    action: str, principal: str, resource: str, *, explicit: bool, of_resource: bool
) -> str:
    """Return the message that denies a principal an action on a resource.

    ``explicit`` is a matching Deny, else no statement allows it. ``of_resource`` means that the
    resource's own policy decided.
    """
    article, kind = ("a", "resource-based") if of_resource else ("an", "identity-based")
    reason = (
        f"with an explicit deny in {article} {kind} policy"
        if explicit
        else f"because no {kind} policy allows the {action} action"
    )
    return (
        f"User: {principal} is not authorized to perform: {action} on resource: {resource} {reason}"
    )
