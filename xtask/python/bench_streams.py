"""Makes the streams of `./x bench detect`: 20,000 events of a log type each, the same bytes on every machine.

    bench_streams.py PANTHER_ANALYSIS OUT [LOGTYPE…]

What a quiet account sends: mostly reads and routine, few errors, and one event in a hundred taken from the unit tests of the
content's own rules of that log type, so that rules match now and then. Events are in their normal form, one a line, in
OUT/<log type>.ndjson. Files that are there already stay.
"""

import json
import os
import pathlib
import random
import sys

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "crates/detection/tests/oracle"))
import plain_run

EVENTS = 20_000
FROM_TESTS = 0.01
ERRORS = 0.03


class Stream:
    """Chance and the small facts that events share."""

    def __init__(self, log_type):
        self.chance = random.Random(log_type)
        self.log_type = log_type

    def hex(self, digits):
        return f"{self.chance.getrandbits(4 * digits):0{digits}x}"

    def ip(self):
        return ".".join(str(self.chance.randint(1, 254)) for _ in range(4))

    def pick(self, weighted):
        names, weights = zip(*weighted.items())
        return self.chance.choices(names, weights)[0]

    def one_of(self, *values):
        return self.chance.choice(values)

    def user(self):
        return f"{self.one_of('ana', 'ben', 'cleo', 'dan', 'eva')}.{self.one_of('lee', 'ruiz', 'okafor', 'weber')}@example.com"

    def common(self, **indicators):
        fields = {
            "p_log_type": self.log_type,
            "p_row_id": self.hex(32),
            "p_event_time": "2026-11-20 10:%02d:%02d.000000000" % (self.chance.randint(0, 59), self.chance.randint(0, 59)),
            "p_parse_time": "2026-11-20 11:01:00.000000000",
            "p_source_id": self.hex(32),
            "p_source_label": "production",
        }
        fields.update({f"p_any_{name}": values for name, values in indicators.items()})
        return fields


# Event name to service and weight; AssumeRole, reads and Describe* are what an account mostly sends.
CLOUDTRAIL = {
    "AssumeRole": ("sts", 20), "Decrypt": ("kms", 10), "GetObject": ("s3", 14), "PutObject": ("s3", 6), "HeadObject": ("s3", 3),
    "GenerateDataKey": ("kms", 5), "DescribeInstances": ("ec2", 5), "DescribeVolumes": ("ec2", 2), "DescribeInstanceStatus": ("ec2", 2),
    "DescribeNetworkInterfaces": ("ec2", 2), "GetCallerIdentity": ("sts", 2), "ListBuckets": ("s3", 1), "GetBucketAcl": ("s3", 3),
    "GetBucketLocation": ("s3", 1), "DescribeLogStreams": ("logs", 2), "CreateLogStream": ("logs", 3), "DescribeLogGroups": ("logs", 1),
    "GetParameter": ("ssm", 2), "GetParametersByPath": ("ssm", 1), "UpdateInstanceInformation": ("ssm", 3), "DescribeTable": ("dynamodb", 2),
    "ListTagsForResource": ("rds", 1), "DescribeAlarms": ("monitoring", 1), "GetSecretValue": ("secretsmanager", 1.5),
    "BatchGetImage": ("ecr", 1), "GetAuthorizationToken": ("ecr", 1), "DescribeTargetHealth": ("elasticloadbalancing", 1),
    "LookupEvents": ("cloudtrail", 0.3), "ListRoles": ("iam", 0.3), "GetRole": ("iam", 0.6), "CreateNetworkInterface": ("ec2", 0.4),
    "RunInstances": ("ec2", 0.1), "CreateUser": ("iam", 0.02), "ConsoleLogin": ("signin", 0.1), "CreateTags": ("ec2", 0.3),
    "AssumeRoleWithWebIdentity": ("sts", 3),
}  # fmt: skip


def cloudtrail(stream):
    name = stream.pick({name: weight for name, (_, weight) in CLOUDTRAIL.items()})
    service = CLOUDTRAIL[name][0] + ".amazonaws.com"
    account = stream.one_of("111122223333", "123456789012", "210987654321")
    role = f"role-{stream.chance.randint(1, 60)}"
    role_arn = f"arn:aws:iam::{account}:role/{role}"
    caller = stream.pick({"AssumedRole": 70, "AWSService": 18, "IAMUser": 9, "WebIdentityUser": 3})
    identity = {"type": caller, "invokedBy": "ec2.amazonaws.com"}
    if caller != "AWSService":
        identity = {
            "type": caller,
            "principalId": f"AROA{stream.hex(16).upper()}:session",
            "arn": f"arn:aws:sts::{account}:assumed-role/{role}/session",
            "accountId": account,
            "accessKeyId": f"ASIA{stream.hex(16).upper()}",
        }
    if caller == "AssumedRole":
        identity["sessionContext"] = {
            "sessionIssuer": {"type": "Role", "principalId": f"AROA{stream.hex(16).upper()}", "arn": role_arn, "accountId": account, "userName": role},
            "attributes": {"mfaAuthenticated": "false", "creationDate": "2026-11-20T10:00:00Z"},
        }
    address = stream.ip()
    event = {
        "eventVersion": "1.08",
        "userIdentity": identity,
        "eventTime": "2026-11-20 10:00:00.000000000",
        "eventSource": service,
        "eventName": name,
        "awsRegion": stream.one_of("us-east-1", "us-west-2", "eu-west-1"),
        "sourceIPAddress": address,
        "userAgent": stream.one_of("aws-sdk-go/1.44 (go1.19; linux; amd64)", "Boto3/1.26 Python/3.9", "console.amazonaws.com", "aws-internal/3"),
        "requestParameters": {"instancesSet": {"items": [{"instanceId": f"i-{stream.hex(17)}"}]}, "filterSet": {}},
        "requestID": stream.hex(36),
        "eventID": stream.hex(36),
        "readOnly": not name.startswith(("Create", "Put", "Run", "Update")),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": service},
    }
    if name in ("AssumeRole", "GetObject", "PutObject"):
        event["requestParameters"] = {
            "roleArn": role_arn, "roleSessionName": "session", "bucketName": f"bucket-{stream.hex(6)}", "key": f"a/b/{stream.hex(20)}",
        }  # fmt: skip
    if stream.chance.random() < 0.3:
        event["responseElements"] = {
            "credentials": {"accessKeyId": f"ASIA{stream.hex(16).upper()}", "expiration": "Nov 20, 2026 11:00:00 AM", "sessionToken": stream.hex(120)},
        }  # fmt: skip
    if stream.chance.random() < ERRORS:
        event["errorCode"] = stream.one_of("AccessDenied", "ThrottlingException", "NoSuchKey")
        event["errorMessage"] = f"denied {stream.hex(20)}"
    return event | stream.common(ip_addresses=[address], aws_account_ids=[account], aws_arns=[role_arn])


GCP = {
    "storage.objects.get": ("storage.googleapis.com", 22), "storage.objects.list": ("storage.googleapis.com", 10),
    "storage.objects.create": ("storage.googleapis.com", 6), "v1.compute.instances.list": ("compute.googleapis.com", 8),
    "v1.compute.instances.get": ("compute.googleapis.com", 6), "io.k8s.core.v1.pods.list": ("k8s.io", 10),
    "io.k8s.core.v1.endpoints.update": ("k8s.io", 8), "io.k8s.coordination.v1.leases.update": ("k8s.io", 10),
    "google.iam.admin.v1.ListServiceAccounts": ("iam.googleapis.com", 2), "GetIamPolicy": ("cloudresourcemanager.googleapis.com", 3),
    "google.logging.v2.LoggingServiceV2.ListLogEntries": ("logging.googleapis.com", 2), "jobservice.query": ("bigquery.googleapis.com", 6),
    "jobservice.getqueryresults": ("bigquery.googleapis.com", 5), "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion": ("secretmanager.googleapis.com", 2),
    "v1.compute.instances.insert": ("compute.googleapis.com", 0.1), "google.iam.admin.v1.CreateServiceAccountKey": ("iam.googleapis.com", 0.02),
}  # fmt: skip


def gcp(stream):
    name = stream.pick({name: weight for name, (_, weight) in GCP.items()})
    service = GCP[name][0]
    project = stream.one_of("shop-prod", "shop-staging", "data-warehouse")
    principal = stream.one_of(stream.user(), f"robot-{stream.chance.randint(1, 30)}@{project}.iam.gserviceaccount.com")
    address = stream.ip()
    payload = {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "authenticationInfo": {"principalEmail": principal},
        "authorizationInfo": [{"granted": True, "permission": name, "resource": f"projects/{project}"}],
        "methodName": name,
        "requestMetadata": {"callerIp": address, "callerSuppliedUserAgent": stream.one_of("gcloud/450.0", "kube-controller-manager/v1.27", "Terraform/1.5")},
        "resourceName": f"projects/{project}/things/{stream.hex(8)}",
        "serviceName": service,
    }
    if stream.chance.random() < ERRORS:
        payload["status"] = {"code": 7, "message": "PERMISSION_DENIED"}
    event = {
        "insertId": stream.hex(12),
        "logName": f"projects/{project}/logs/cloudaudit.googleapis.com%2F{stream.one_of('data_access', 'activity')}",
        "protoPayload": payload,
        "receiveTimestamp": "2026-11-20 10:00:01.000000000",
        "resource": {"labels": {"project_id": project, "location": stream.one_of("us", "eu")}, "type": stream.one_of("gcs_bucket", "gce_instance", "k8s_cluster")},
        "severity": stream.one_of("INFO", "NOTICE"),
        "timestamp": "2026-11-20 10:00:00.000000000",
    }
    return event | stream.common(ip_addresses=[address], emails=[principal])


OKTA = {
    "user.authentication.sso": 34, "user.session.start": 12, "policy.evaluate_sign_on": 16, "user.authentication.auth_via_mfa": 8,
    "app.oauth2.token.grant.access_token": 9, "app.oauth2.as.token.grant.id_token": 5, "system.agent.ad.read_user": 3,
    "user.session.end": 3, "user.authentication.verify": 4, "application.user_membership.add": 0.5, "group.user_membership.add": 0.5,
    "user.lifecycle.create": 0.1, "user.account.update_profile": 1, "user.mfa.factor.deactivate": 0.02,
}  # fmt: skip


def okta(stream):
    kind = stream.pick(OKTA)
    user, address = stream.user(), stream.ip()
    geography = {"city": "Lyon", "country": "France", "geolocation": {"lat": 45.75, "lon": 4.85}, "postalCode": "69001", "state": "Rhone"}
    browser = {"browser": stream.one_of("CHROME", "FIREFOX", "SAFARI"), "os": "Mac OS X", "rawUserAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"}
    result = {"result": "SUCCESS"} if stream.chance.random() > ERRORS else {"result": "FAILURE", "reason": "INVALID_CREDENTIALS"}
    event = {
        "actor": {"alternateId": user, "displayName": user.split("@")[0], "id": f"00u{stream.hex(17)}", "type": "User"},
        "authenticationContext": {"authenticationStep": 0, "externalSessionId": stream.hex(24)},
        "client": {"device": "Computer", "geographicalContext": geography, "ipAddress": address, "userAgent": browser, "zone": "null"},
        "debugContext": {"debugData": {"requestId": stream.hex(24), "requestUri": "/oauth2/v1/authorize", "url": "/oauth2/v1/authorize?", "threatSuspected": "false"}},
        "displayMessage": kind.replace(".", " "),
        "eventType": kind,
        "legacyEventType": f"core.{kind}",
        "outcome": result,
        "published": "2026-11-20 10:00:00.000000000",
        "request": {"ipChain": [{"geographicalContext": geography, "ip": address, "version": "V4"}]},
        "securityContext": {"asNumber": 3215, "asOrg": "orange", "domain": "orange.fr", "isProxy": False, "isp": "orange"},
        "severity": "INFO",
        "target": [{"alternateId": stream.one_of("Mail", "Wiki", "Tickets"), "displayName": "App", "id": f"0oa{stream.hex(17)}", "type": "AppInstance"}],
        "transaction": {"id": stream.hex(24), "type": "WEB"},
        "uuid": stream.hex(36),
        "version": "0",
    }
    return event | stream.common(ip_addresses=[address], emails=[user])


GITHUB = {
    "git.fetch": 38, "git.clone": 14, "git.push": 12, "pull_request.create": 6, "pull_request.merge": 4, "workflows.completed_workflow_run": 12,
    "workflows.created_workflow_run": 10, "repo.create": 0.2, "protected_branch.update": 0.2, "org.add_member": 0.2, "team.add_member": 0.5,
    "repo.access": 0.05, "org.remove_member": 0.1, "hook.create": 0.1,
}  # fmt: skip


def github(stream):
    action = stream.pick(GITHUB)
    actor, address = stream.user().split("@")[0], stream.ip()
    repository = f"example/{stream.one_of('shop', 'api', 'infra', 'web')}-{stream.chance.randint(1, 40)}"
    event = {
        "_document_id": stream.hex(22),
        "action": action,
        "actor": actor,
        "actor_id": stream.chance.randint(10_000, 99_999),
        "actor_ip": address,
        "actor_location": {"country_code": stream.one_of("DE", "US", "IN")},
        "business": "example",
        "created_at": "2026-11-20 10:00:00.000000000",
        "org": "example",
        "org_id": 4711,
        "repo": repository,
        "repository": repository,
        "repository_public": False,
        "transport_protocol_name": stream.one_of("ssh", "http"),
        "user_agent": stream.one_of("git/2.40.1", "GitHub Actions", "Mozilla/5.0"),
    }
    return event | stream.common(ip_addresses=[address], usernames=[actor])


STREAMS = {"AWS.CloudTrail": cloudtrail, "GCP.AuditLog": gcp, "Okta.SystemLog": okta, "GitHub.Audit": github}


def test_events(content, log_type):
    """The unit-test events of the enabled rules of a log type."""
    events = []
    for file in plain_run.yaml_files(content):
        with open(file, encoding="utf-8") as text:
            spec = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if not isinstance(spec, dict) or "AnalysisType" not in spec:
            continue
        if spec["AnalysisType"] == "rule" and str(spec.get("Enabled")).lower() == "true" and log_type in spec.get("LogTypes", ()):
            events.extend(test["Log"] for test in spec.get("Tests", ()) if isinstance(test.get("Log"), dict) and not test.get("Mocks"))
    return [event for event in events if event.get("p_log_type", log_type) == log_type]


def main():
    content, out = sys.argv[1], pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for log_type in sys.argv[3:] or STREAMS:
        path = out / f"{log_type}.ndjson"
        if path.exists():
            continue
        stream = Stream(log_type)
        tests = test_events(content, log_type)
        with open(path.with_suffix(".fresh"), "w", encoding="utf-8") as fresh:
            for _ in range(EVENTS):
                event = STREAMS[log_type](stream)
                if stream.chance.random() < FROM_TESTS:
                    event = dict(stream.one_of(*tests), p_log_type=log_type, p_row_id=stream.hex(32))
                fresh.write(json.dumps(event, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
        os.rename(path.with_suffix(".fresh"), path)


if __name__ == "__main__":
    main()
