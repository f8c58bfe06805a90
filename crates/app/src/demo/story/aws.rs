//! An ordinary day of the AWS account: console work, deployments, and programs that read and write buckets.

use serde_json::{Map, Value, json};
use uncia_document::Timestamp;

use super::cast::{AWS_ACCOUNT, AWS_REGION, BUILD_KEY, PEOPLE, Person};
use super::{HOUR, MINUTE, Narrator, rfc3339};

const LOG_TYPE: &str = "AWS.CloudTrail";
const BROWSER: &str =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/133.0.0.0 Safari/537.36";

/// An identity with the place from which it calls.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) identity: Value,
    pub(super) address: String,
    pub(super) agent: String,
    pub(super) in_console: bool,
}

/// One API call, before it becomes a record.
pub(super) struct Call {
    /// The service, `s3` of `s3.amazonaws.com`.
    pub(super) service: &'static str,
    pub(super) name: &'static str,
    pub(super) reads: bool,
    /// Reading and writing of objects, which CloudTrail keeps apart from management.
    pub(super) data: bool,
    pub(super) request: Value,
    pub(super) response: Value,
    pub(super) error: Option<(&'static str, String)>,
}

impl Call {
    pub(super) fn read(service: &'static str, name: &'static str, request: Value) -> Self {
        Self { service, name, reads: true, data: false, request, response: Value::Null, error: None }
    }

    pub(super) fn write(service: &'static str, name: &'static str, request: Value, response: Value) -> Self {
        Self { service, name, reads: false, data: false, request, response, error: None }
    }
}

pub(super) fn iam_user(name: &str, access_key: Option<&str>) -> Value {
    let mut identity = json!({
        "type": "IAMUser",
        "principalId": format!("AIDAEXAMPLE{:0>10}", name.to_uppercase().replace('-', "")),
        "arn": format!("arn:aws:iam::{AWS_ACCOUNT}:user/{name}"),
        "accountId": AWS_ACCOUNT,
        "userName": name,
    });
    if let Some(key) = access_key {
        identity["accessKeyId"] = key.into();
    }
    identity
}

impl Narrator {
    fn role_session(&mut self, role: &str, session: &str, since: Timestamp, with_mfa: bool) -> Value {
        let principal = format!("AROAEXAMPLE{:0>10}", role.to_uppercase().replace('-', ""));
        json!({
            "type": "AssumedRole",
            "principalId": format!("{principal}:{session}"),
            "arn": format!("arn:aws:sts::{AWS_ACCOUNT}:assumed-role/{role}/{session}"),
            "accountId": AWS_ACCOUNT,
            "accessKeyId": self.code("ASIAEXAMPLE", 20),
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": principal,
                    "arn": format!("arn:aws:iam::{AWS_ACCOUNT}:role/{role}"),
                    "accountId": AWS_ACCOUNT,
                    "userName": role,
                },
                "attributes": {"creationDate": rfc3339(since), "mfaAuthenticated": with_mfa.to_string()},
            },
        })
    }

    pub(super) fn aws_call(&mut self, at: Timestamp, caller: &Caller, call: Call) {
        let mut record = self.opening(at, caller, &format!("{}.amazonaws.com", call.service), call.name);
        if let Some((code, message)) = call.error {
            record.insert("errorCode".into(), code.into());
            record.insert("errorMessage".into(), message.into());
        }
        let category = if call.data { "Data" } else { "Management" };
        record.insert("requestParameters".into(), call.request);
        record.insert("responseElements".into(), call.response);
        record.insert("requestID".into(), self.uuid().into());
        record.insert("eventID".into(), self.uuid().into());
        record.insert("readOnly".into(), call.reads.into());
        record.insert("eventType".into(), "AwsApiCall".into());
        record.insert("managementEvent".into(), (!call.data).into());
        record.insert("recipientAccountId".into(), AWS_ACCOUNT.into());
        record.insert("eventCategory".into(), category.into());
        if caller.in_console {
            record.insert("sessionCredentialFromConsole".into(), "true".into());
        } else if caller.identity["type"] != "AWSService" {
            let host = format!("{}.{AWS_REGION}.amazonaws.com", call.service);
            record.insert(
                "tlsDetails".into(),
                json!({"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": host}),
            );
        }
        self.tell(at, LOG_TYPE, &Value::Object(record));
    }

    pub(super) fn console_sign_in(&mut self, at: Timestamp, caller: &Caller, second_factor: bool, success: bool) {
        let mut record = self.opening(at, caller, "signin.amazonaws.com", "ConsoleLogin");
        if !success {
            record.insert("errorMessage".into(), "Failed authentication".into());
        }
        let outcome = if success { "Success" } else { "Failure" };
        let used = if second_factor { "Yes" } else { "No" };
        record.insert("requestParameters".into(), Value::Null);
        record.insert("responseElements".into(), json!({"ConsoleLogin": outcome}));
        record.insert(
            "additionalEventData".into(),
            json!({"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": used}),
        );
        record.insert("eventID".into(), self.uuid().into());
        record.insert("readOnly".into(), false.into());
        record.insert("eventType".into(), "AwsConsoleSignIn".into());
        record.insert("managementEvent".into(), true.into());
        record.insert("recipientAccountId".into(), AWS_ACCOUNT.into());
        record.insert("eventCategory".into(), "Management".into());
        self.tell(at, LOG_TYPE, &Value::Object(record));
    }

    fn opening(&self, at: Timestamp, caller: &Caller, source: &str, name: &str) -> Map<String, Value> {
        let opening = json!({
            "eventVersion": "1.09",
            "userIdentity": caller.identity,
            "eventTime": rfc3339(at),
            "eventSource": source,
            "eventName": name,
            "awsRegion": AWS_REGION,
            "sourceIPAddress": caller.address,
            "userAgent": caller.agent,
        });
        match opening {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }
}

pub(super) fn tell(narrator: &mut Narrator) {
    for &person in PEOPLE {
        office_day(narrator, person);
    }
    builds(narrator);
    programs(narrator);
}

/// Sign-in with a second factor in the morning, then console work in a role.
fn office_day(narrator: &mut Narrator, person: Person) {
    let morning = narrator.between(8 * HOUR, 9 * HOUR);
    let user = Caller {
        identity: iam_user(person.name, None),
        address: person.address.to_owned(),
        agent: BROWSER.to_owned(),
        in_console: false,
    };
    if narrator.chance(30) {
        narrator.console_sign_in(narrator.at(morning - 20), &user, false, false);
    }
    narrator.console_sign_in(narrator.at(morning), &user, true, true);

    let since = narrator.at(morning + 60);
    let session = format!("{}@example.com", person.name);
    let identity = narrator.role_session(person.aws_role, &session, since, true);
    let role_arn = format!("arn:aws:iam::{AWS_ACCOUNT}:role/{}", person.aws_role);
    let mut taking_role = Call::read("sts", "AssumeRole", json!({"roleArn": role_arn, "roleSessionName": session}));
    taking_role.response = json!({"credentials": {"accessKeyId": identity["accessKeyId"]}});
    narrator.aws_call(since, &user, taking_role);

    let worker = Caller { identity, in_console: true, ..user };
    for _ in 0..45 {
        let at = narrator.office_hours().max(morning + 2 * MINUTE);
        let call = narrator.console_work();
        narrator.aws_call(narrator.at(at), &worker, call);
    }
}

/// The build robot: an IAM user with a long-lived key, always the same few calls from the same address.
fn builds(narrator: &mut Narrator) {
    let robot = Caller {
        identity: iam_user("build-bot", Some(BUILD_KEY)),
        address: "198.51.100.77".to_owned(),
        agent: "aws-cli/2.22.7 md/awscrt#0.23.4 ua/2.0 os/linux#6.1 lang/python#3.12.6".to_owned(),
        in_console: false,
    };
    for build in 0..16_i64 {
        let begin = 7 * HOUR + build * 40 * MINUTE + narrator.between(0, 10 * MINUTE);
        let bundle = json!({"bucketName": "example-artifacts", "key": format!("web/{}.tar.zst", narrator.uuid())});
        let stack = json!({"stackName": "web"});
        let upload = Call { data: true, ..Call::write("s3", "PutObject", bundle, Value::Null) };
        let steps = [
            Call::read("sts", "GetCallerIdentity", Value::Null),
            Call::read("ecr", "GetAuthorizationToken", Value::Null),
            upload,
            Call::read("cloudformation", "DescribeStacks", stack.clone()),
            Call::write("cloudformation", "UpdateStack", stack.clone(), json!({"stackId": "web"})),
            Call::read("cloudformation", "DescribeStacks", stack),
        ];
        for (step, call) in (0_i64..).zip(steps) {
            narrator.aws_call(narrator.at(begin + step * 9), &robot, call);
        }
    }
}

/// Instances and functions at work, by day and night, with credentials that AWS hands them.
fn programs(narrator: &mut Narrator) {
    for hour in 0..24_i64 {
        for (role, session, service) in
            [("web", "i-0123456789abcdef0", "ec2.amazonaws.com"), ("ingest", "ingest-orders", "lambda.amazonaws.com")]
        {
            let begin = hour * HOUR + narrator.between(0, 5 * MINUTE);
            let identity = narrator.role_session(role, session, narrator.at(begin), false);
            let aws = Caller {
                identity: json!({"type": "AWSService", "invokedBy": service}),
                address: service.to_owned(),
                agent: service.to_owned(),
                in_console: false,
            };
            let role_arn = format!("arn:aws:iam::{AWS_ACCOUNT}:role/{role}");
            let mut handing_out =
                Call::read("sts", "AssumeRole", json!({"roleArn": role_arn, "roleSessionName": session}));
            handing_out.response = json!({"credentials": {"accessKeyId": identity["accessKeyId"]}});
            narrator.aws_call(narrator.at(begin), &aws, handing_out);

            let program = Caller {
                identity,
                address: if role == "web" { "198.51.100.10" } else { "198.51.100.11" }.to_owned(),
                agent: "aws-sdk-rust/1.3.3 os/linux lang/rust/1.84.0".to_owned(),
                in_console: false,
            };
            for _ in 0..22 {
                let at = (begin + narrator.between(5, 50 * MINUTE)).min(24 * HOUR - 1);
                let call = narrator.object_work();
                narrator.aws_call(narrator.at(at), &program, call);
            }
        }
    }
}

impl Narrator {
    fn console_work(&mut self) -> Call {
        match self.between(0, 10) {
            0 => Call::read("s3", "ListBuckets", Value::Null),
            1 => Call::read("s3", "GetBucketLocation", json!({"bucketName": "example-artifacts"})),
            2 => Call::read("ec2", "DescribeInstances", json!({"instancesSet": {}, "filterSet": {}})),
            3 => Call::read("ec2", "DescribeSecurityGroups", json!({"securityGroupSet": {}})),
            4 => Call::read("cloudformation", "DescribeStacks", json!({"stackName": "web"})),
            5 => Call::read("logs", "StartQuery", json!({"logGroupName": "/aws/lambda/ingest-orders"})),
            6 => Call::read("lambda", "GetFunction20150331v2", json!({"functionName": "ingest-orders"})),
            7 => Call::read("iam", "GetRole", json!({"roleName": "web"})),
            8 => Call::read("cloudtrail", "LookupEvents", json!({"maxResults": 50})),
            _ => Call::write(
                "ec2",
                "CreateTags",
                json!({"resourcesSet": {"items": [{"resourceId": "i-0123456789abcdef0"}]}, "tagSet": {"items": [{"key": "owner", "value": "web"}]}}),
                json!({"_return": true}),
            ),
        }
    }

    fn object_work(&mut self) -> Call {
        let key = format!("orders/{}.json", self.uuid());
        let object = json!({"bucketName": "example-orders", "key": key});
        match self.between(0, 8) {
            0..=3 => Call { data: true, ..Call::read("s3", "GetObject", object) },
            4..=6 => Call { data: true, ..Call::write("s3", "PutObject", object, Value::Null) },
            _ => Call::read("kms", "Decrypt", json!({"encryptionContext": {"bucket": "example-orders"}})),
        }
    }
}
