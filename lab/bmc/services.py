"""The service root and the services of the BMC's own memory: sessions, accounts, tasks, events, operation log."""

from __future__ import annotations

from datetime import timedelta

from lab.bmc.context import Context
from lab.bmc.odata import (
    CHASSIS,
    MANAGER,
    READ,
    REDFISH_VERSION,
    ROOT,
    SYSTEM,
    Json,
    Resource,
    Tree,
    collection,
    entity,
    link,
    status,
)
from lab.bmc.runtime import MAX_PASSWORD, MIN_PASSWORD, ROLES, Runtime, Task
from lab.bmc.systems import log_entries

SESSION_SERVICE = f"{ROOT}/SessionService"
SESSIONS = f"{SESSION_SERVICE}/Sessions"
ACCOUNT_SERVICE = f"{ROOT}/AccountService"
ACCOUNTS = f"{ACCOUNT_SERVICE}/Accounts"
TASK_SERVICE = f"{ROOT}/TaskService"
TASKS = f"{TASK_SERVICE}/Tasks"
MONITORS = f"{TASK_SERVICE}/TaskMonitors"
EVENT_SERVICE = f"{ROOT}/EventService"
SUBSCRIPTIONS = f"{EVENT_SERVICE}/Subscriptions"


def build(context: Context, runtime: Runtime, tree: Tree) -> None:
    """Adds the root and everything that follows from the BMC's memory."""
    _root(context, tree)
    _sessions(runtime, tree)
    _accounts(runtime, tree)
    _tasks(runtime, tree)
    _events(runtime, tree)
    _audit(context, runtime, tree)


def _root(context: Context, tree: Tree) -> None:
    body = entity(
        ROOT,
        "ServiceRoot",
        "RootService",
        "Root Service",
        RedfishVersion=REDFISH_VERSION,
        UUID=context.node["uuid"],
        Vendor=context.node["manufacturer"],
        Product="npuforge twin",
        ProtocolFeaturesSupported={
            "ExcerptQuery": False,
            "FilterQuery": False,
            "OnlyMemberQuery": False,
            "SelectQuery": False,
            "TopSkipQuery": True,
            "ExpandQuery": {"ExpandAll": False, "Levels": False, "Links": False, "NoLinks": False},
        },
        Systems=link(SYSTEM.rpartition("/")[0]),
        Chassis=link(CHASSIS.rpartition("/")[0]),
        Managers=link(MANAGER.rpartition("/")[0]),
        UpdateService=link(f"{ROOT}/UpdateService"),
        Tasks=link(TASK_SERVICE),
        SessionService=link(SESSION_SERVICE),
        AccountService=link(ACCOUNT_SERVICE),
        EventService=link(EVENT_SERVICE),
        Links={"Sessions": link(SESSIONS)},
        # A reader can see that this is no hardware; evidence read from here is stamped by it.
        Oem={"Npuforge": {"Simulated": True}, context.oem_key: {}},
    )
    tree[ROOT] = Resource(body)


def session_body(runtime: Runtime, identifier: str) -> Json:
    session = runtime.sessions[identifier]
    return entity(
        f"{SESSIONS}/{identifier}",
        "Session",
        identifier,
        "User Session",
        UserName=session.account.user,
        Password=None,
        CreatedTime=session.created,
        ClientOriginIPAddress=session.origin,
        SessionType="Redfish",
    )


def _sessions(runtime: Runtime, tree: Tree) -> None:
    runtime.expire_sessions()
    for identifier in runtime.sessions:
        tree[f"{SESSIONS}/{identifier}"] = Resource(session_body(runtime, identifier), (*READ, "DELETE"))
    members = [f"{SESSIONS}/{identifier}" for identifier in runtime.sessions]
    body = entity(
        SESSION_SERVICE,
        "SessionService",
        "SessionService",
        "Session Service",
        ServiceEnabled=True,
        SessionTimeout=runtime.session_timeout,
        Sessions=collection(tree, SESSIONS, "Session", members, allow=(*READ, "POST")),
        Status=status("Enabled", "OK"),
    )
    tree[SESSION_SERVICE] = Resource(body, (*READ, "PATCH"))


def account_body(runtime: Runtime, identifier: str) -> Json:
    account = runtime.accounts[identifier]
    return entity(
        f"{ACCOUNTS}/{identifier}",
        "ManagerAccount",
        identifier,
        "User Account",
        UserName=account.user,
        Password=None,
        RoleId=account.role,
        Enabled=account.enabled,
        Locked=False,
        AccountTypes=["Redfish"],
        Links={"Role": link(f"{ACCOUNT_SERVICE}/Roles/{account.role}")},
    )


def _accounts(runtime: Runtime, tree: Tree) -> None:
    roles = f"{ACCOUNT_SERVICE}/Roles"
    for role, privileges in ROLES.items():
        body = entity(
            f"{roles}/{role}",
            "Role",
            role,
            "User Role",
            RoleId=role,
            IsPredefined=True,
            AssignedPrivileges=privileges,
            OemPrivileges=[],
        )
        tree[f"{roles}/{role}"] = Resource(body)
    for identifier in runtime.accounts:
        allow = (*READ, "PATCH", "DELETE")
        tree[f"{ACCOUNTS}/{identifier}"] = Resource(account_body(runtime, identifier), allow)
    members = [f"{ACCOUNTS}/{identifier}" for identifier in runtime.accounts]
    body = entity(
        ACCOUNT_SERVICE,
        "AccountService",
        "AccountService",
        "Account Service",
        ServiceEnabled=True,
        MinPasswordLength=MIN_PASSWORD,
        MaxPasswordLength=MAX_PASSWORD,
        Accounts=collection(tree, ACCOUNTS, "ManagerAccount", members, allow=(*READ, "POST")),
        Roles=collection(tree, roles, "Role", [f"{roles}/{role}" for role in ROLES]),
        Status=status("Enabled", "OK"),
    )
    tree[ACCOUNT_SERVICE] = Resource(body)


def task_body(task: Task) -> Json:
    body = entity(
        f"{TASKS}/{task.identifier}",
        "Task",
        task.identifier,
        task.name,
        TaskState=task.state,
        TaskStatus=task.health,
        PercentComplete=task.percent,
        StartTime=task.started,
        Messages=task.messages,
    )
    if task.over:
        body["EndTime"] = task.ended
    else:
        body["TaskMonitor"] = f"{MONITORS}/{task.identifier}"
    return body


def _tasks(runtime: Runtime, tree: Tree) -> None:
    for task in runtime.tasks.values():
        tree[f"{TASKS}/{task.identifier}"] = Resource(task_body(task))
    body = entity(
        TASK_SERVICE,
        "TaskService",
        "TaskService",
        "Task Service",
        ServiceEnabled=True,
        DateTime=None,  # filled in when it is asked for
        CompletedTaskOverWritePolicy="Oldest",
        LifeCycleEventOnTaskStateChange=False,
        Tasks=collection(tree, TASKS, "Task", [f"{TASKS}/{identifier}" for identifier in runtime.tasks]),
        Status=status("Enabled", "OK"),
    )
    tree[TASK_SERVICE] = Resource(body)


def subscription_body(runtime: Runtime, identifier: str) -> Json:
    subscription = runtime.subscriptions[identifier]
    return entity(
        f"{SUBSCRIPTIONS}/{identifier}",
        "EventDestination",
        identifier,
        "Event Subscription",
        Destination=subscription.destination,
        Context=subscription.context,
        Protocol="Redfish",
        SubscriptionType="RedfishEvent",
        EventFormatType="Event",
        HttpHeaders=[],  # may carry credentials: they are never shown (DSP0266)
        Status=status("Enabled", "OK"),
    )


def _events(runtime: Runtime, tree: Tree) -> None:
    for identifier in runtime.subscriptions:
        path = f"{SUBSCRIPTIONS}/{identifier}"
        tree[path] = Resource(subscription_body(runtime, identifier), (*READ, "PATCH", "DELETE"))
    members = [f"{SUBSCRIPTIONS}/{identifier}" for identifier in runtime.subscriptions]
    body = entity(
        EVENT_SERVICE,
        "EventService",
        "EventService",
        "Event Service",
        ServiceEnabled=True,
        DeliveryRetryAttempts=3,
        DeliveryRetryIntervalSeconds=1,
        EventFormatTypes=["Event"],
        RegistryPrefixes=["ResourceEvent"],
        Subscriptions=collection(tree, SUBSCRIPTIONS, "EventDestination", members, allow=(*READ, "POST")),
        Status=status("Enabled", "OK"),
        Actions={"#EventService.SubmitTestEvent": {"target": f"{EVENT_SERVICE}/Actions/EventService.SubmitTestEvent"}},
    )
    tree[EVENT_SERVICE] = Resource(body)


def _audit(context: Context, runtime: Runtime, tree: Tree) -> None:
    base = f"{MANAGER}/LogServices"
    path = f"{base}/OperateLog"
    offset = timedelta(seconds=context.node["bmc"]["clock_offset_seconds"] or 0)
    log_entries(tree, f"{path}/Entries", reversed(runtime.audit), offset)
    body = entity(
        path,
        "LogService",
        "OperateLog",
        "BMC Operation Log",
        ServiceEnabled=True,
        LogEntryType="Event",
        OverWritePolicy="WrapsWhenFull",
        DateTime=None,  # filled in when it is asked for
        DateTimeLocalOffset="+00:00",
        Entries=link(f"{path}/Entries"),
        Status=status("Enabled", "OK"),
    )
    tree[path] = Resource(body)
    collection(tree, base, "LogService", [path])
