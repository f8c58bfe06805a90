//! The samples of the schema files and the public sample events, each among all log types of its vendor. What is missed is
//! listed here one by one, so that a schema that begins to miss more, or fewer, is noticed.

#[path = "../../examples/corpus/judge.rs"]
mod judge;

use std::collections::{BTreeMap, BTreeSet};

/// Log types whose every sample another type of the vendor takes, too, if it is asked alone: the vendor sends the same record
/// under both, or one type is the other and more. Asked together, the stricter one has it.
const SHARED: &[(&str, &str)] = &[
    // All events of the data replicator; each of the others is one kind of them.
    ("Crowdstrike.AIDMaster", "Crowdstrike.FDREvent"),
    ("Crowdstrike.ActivityAudit", "Crowdstrike.FDREvent"),
    ("Crowdstrike.CriticalFile", "Crowdstrike.FDREvent"),
    ("Crowdstrike.DNSRequest", "Crowdstrike.FDREvent"),
    ("Crowdstrike.DetectionSummary", "Crowdstrike.FDREvent"),
    ("Crowdstrike.GroupIdentity", "Crowdstrike.FDREvent"),
    ("Crowdstrike.NetworkConnect", "Crowdstrike.FDREvent"),
    ("Crowdstrike.NetworkListen", "Crowdstrike.FDREvent"),
    ("Crowdstrike.ProcessRollup2", "Crowdstrike.FDREvent"),
    ("Crowdstrike.ProcessRollup2Stats", "Crowdstrike.FDREvent"),
    ("Crowdstrike.SyntheticProcessRollup2", "Crowdstrike.FDREvent"),
    ("Crowdstrike.UserIdentity", "Crowdstrike.FDREvent"),
    ("Crowdstrike.UserLogonLogoff", "Crowdstrike.FDREvent"),
    // What no other type of the vendor takes.
    ("Crowdstrike.FDREvent", "Crowdstrike.Unknown"),
    // RFC 5424 adds fields to what the older form has.
    ("Fluentd.Syslog5424", "Fluentd.Syslog3164"),
    // An organisation's event may concern a project, and then has all that a project's event has.
    ("MongoDB.ProjectEvent", "MongoDB.OrganizationEvent"),
];

/// Tests whose events become another type or none, by why that is right.
const MISSES: &[&[&str]] = &[
    &[
        // Only `p_` fields: nothing is left of them.
        "Standard.GreyNoiseV3.MaliciousIP / Benign IP - No Alert",
        "Standard.GreyNoiseV3.MaliciousIP / Known Business Service - No Alert",
        "Standard.GreyNoiseV3.MaliciousIP / Malicious IP Detected",
        "Standard.GreyNoiseV3.MaliciousIP / No Enrichment Data",
        "Standard.GreyNoiseV3.MaliciousIP / Unknown Classification",
        "Standard.OTX.MaliciousIndicator / Benign IP - No Enrichment",
        "Standard.OTX.MaliciousIndicator / IP Not in OTX",
        "Standard.OTX.MaliciousIndicator / Known Threat IP Detected - With Adversary and Malware",
        "Standard.OTX.MaliciousIndicator / Malicious Domain Detected",
        "Standard.OTX.MaliciousIndicator / Malicious Email Detected",
        "Standard.OTX.MaliciousIndicator / Malicious File Hash Detected",
        "Standard.OTX.MaliciousIndicator / Multiple Threat IPs Detected",
        "Standard.OTX.MaliciousIndicator / Threat IP - No Adversary",
    ],
    &[
        // No field of their log type, or none in its place.
        "AWS.CloudTrail.Password.Policy.Discovery / Non-Discovery Event",
        "AWS.CloudTrail.Password.Policy.Discovery / Password Discovery ARN",
        "Connection.to.Embargoed.Country / Google DNS",
        "GCP.Firewall.Rule.Created / appengine.compute.non-create.firewall.method-should-not-alert",
        "GCP.Firewall.Rule.Created / compute.non-create.firewall.method-should-not-alert",
        "GCP.Firewall.Rule.Deleted / appengine.non-delete.firewall.method-should-not-alert",
        "GCP.Firewall.Rule.Deleted / compute.non-delete.firewall.method-should-not-alert",
        "GCP.Firewall.Rule.Modified / appengine.compute.non-update.firewall.method-should-not-alert",
        "GCP.Firewall.Rule.Modified / compute.non-update.firewall.method-should-not-alert",
    ],
    &[
        // Values of another kind than the vendor's: `...` or Python's way of writing an object, a word that is no boolean.
        "AWS.EC2.ManyPasswordReadAttempts / Unrelated Event",
        "GCP.Cloud.Run.Service.Created / GCP Run Service Not Created",
        "GCP.Cloud.Run.Set.IAM.Policy / GCP Run IAM Policy Not Set",
        "GCP.Cloud.Run.Set.IAM.Policy / No method provided",
        "GCP.Privilege.Escalation.By.Deployments.Create / fail",
        "GCP.compute.instances.create.Privilege.Escalation / GCP compute.instances - Error",
        "GCP.compute.instances.create.Privilege.Escalation / GCP compute.instances - Not All Permissions",
    ],
    &[
        // Events of another type than their rule's: an audit event among alerts, a virtual machine's among load balancers', a
        // subscription's among the directory's.
        "AppOmni.Alert.Passthrough / Event Type",
        "Azure.Audit.ElevateUserAccessAdministrator / Different Operation",
        "Azure.Audit.ElevateUserAccessAdministrator / User Elevated to User Access Administrator",
        "GCP.CloudArmor.React2Shell.RCE.Attempt / Other event",
    ],
    &[
        // One or two fields, which several types of the vendor have alike.
        "AWS.VPC.HealthyLogStatus / Healthy Log Status - OCSF",
        "AWS.VPC.HealthyLogStatus / Unhealthy Log Status - OCSF",
        "GitLab.Production.Password.Reset.Multiple.Emails / multiple emails",
        "GitLab.Production.Password.Reset.Multiple.Emails / not a password reset",
        "GitLab.Production.Password.Reset.Multiple.Emails / one email",
    ],
];

#[test]
fn full_samples_are_their_own_types() {
    let (schemas, _) = crate::load_content();
    let judged = judge::full_samples(&schemas, |_| true);
    let mut complaints = Vec::new();
    let mut shared: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut unique: BTreeSet<&str> = BTreeSet::new();
    for sample in &judged {
        let own = sample.log_type.as_str();
        if sample.became.as_deref() != Some(own) {
            complaints
                .push(format!("{own}: sample `{}` becomes {:?} among its vendor's", sample.sample, sample.became));
        }
        if sample.is_unique() {
            unique.insert(own);
        }
        shared.entry(own).or_default().extend(sample.takers.iter().map(|taker| &**taker).filter(|taker| *taker != own));
    }
    shared.retain(|own, _| !unique.contains(own));
    let expected: BTreeMap<&str, BTreeSet<&str>> =
        SHARED.iter().map(|(own, other)| (*own, BTreeSet::from([*other]))).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(shared, expected);
    assert_eq!(unique.len() + shared.len(), schemas.len());
}

#[test]
fn public_events_become_their_types() {
    let Some(folder) = crate::sample_data::folder(".") else { return };
    let file = folder.join("panther-analysis-events.ndjson.gz");
    if !file.is_file() {
        return;
    }
    let (schemas, _) = crate::load_content();
    let report = judge::public_events(&schemas, &file, |_| true);
    let found: BTreeSet<&str> = report.misses.iter().map(|miss| &*miss.test).collect();
    let expected: BTreeSet<&str> = MISSES.concat().into_iter().collect();
    let said = |test: &&str| {
        let miss = report.misses.iter().find(|miss| miss.test == **test);
        miss.map_or_else(
            || format!("{test}: not missed any more"),
            |miss| format!("{test}: {} became {}", miss.log_type, miss.became),
        )
    };
    let changed: Vec<String> = found.symmetric_difference(&expected).map(said).collect();
    assert!(changed.is_empty(), "{}", changed.join("\n"));
    let events: usize = report.counts.values().map(|(events, _)| events).sum();
    assert_eq!((events, report.misses.len()), (3_001, MISSES.concat().len()));
    // Some records say the caller's address twice, as a record does and as an event does; it is there once.
    let lost: Vec<_> =
        report.lost.iter().map(|((log_type, path), count)| (log_type.as_str(), &**path, *count)).collect();
    assert_eq!(lost, [("GCP.AuditLog", "protoPayload.requestMetadata.callerIp", 6)]);
}
