//! The keys that content files may have, by type. What is not here is a typing error.

pub(super) const COMMON: &[&str] = &["AnalysisType", "BaseVersion", "Description"];

/// What rules, scheduled rules, policies and correlation rules share.
pub(super) const DETECTION: &[&str] = &[
    "Enabled",
    "Severity",
    "DisplayName",
    "OnlyUseBaseRiskScore",
    "OutputIds",
    "CreatedBy",
    "Reference",
    "Runbook",
    "Status",
    "Tags",
    "Reports",
    "Tests",
];

pub(super) const RULE: &[&str] = &[
    "RuleID",
    "Filename",
    "Detection",
    "BaseDetection",
    "LogTypes",
    "ScheduledQueries",
    "DedupPeriodMinutes",
    "Threshold",
    "CreateAlert",
    "SummaryAttributes",
    "InlineFilters",
    "DynamicSeverities",
    "AlertTitle",
    "AlertContext",
    "GroupBy",
];

pub(super) const POLICY: &[&str] = &[
    "PolicyID",
    "Filename",
    "ResourceTypes",
    "ActionDelaySeconds",
    "AutoRemediationID",
    "AutoRemediationParameters",
    "Suppressions",
];

pub(super) const CORRELATION: &[&str] = &["RuleID", "Detection", "SummaryAttributes", "CreateAlert"];

pub(super) const TEST: &[&str] = &[
    "Name",
    "ExpectedResult",
    "Log",
    "LogType",
    "Resource",
    "ResourceType",
    "ExpectedDestinations",
    "Mocks",
    "RuleOutputs",
];

pub(super) const DATA_MODEL: &[&str] = &["DataModelID", "Enabled", "LogTypes", "Mappings", "DisplayName", "Filename"];
pub(super) const MAPPING: &[&str] = &["Name", "Path", "Method"];
pub(super) const GLOBAL: &[&str] = &["GlobalID", "Filename", "Tags"];
pub(super) const PACK: &[&str] = &["PackID", "PackDefinition", "DisplayName"];
pub(super) const QUERY: &[&str] = &[
    "QueryName",
    "Query",
    "AthenaQuery",
    "SnowflakeQuery",
    "DatabricksQuery",
    "Tags",
    "Lookback",
    "LookbackWindowSeconds",
];
pub(super) const SCHEDULED_QUERY: &[&str] = &["Enabled", "Schedule", "EmailConfig"];
pub(super) const LOOKUP_TABLE: &[&str] = &[
    "LookupName",
    "Enabled",
    "Schema",
    "Filename",
    "Refresh",
    "LogTypeMap",
    "Reference",
    "Query",
    "AthenaQuery",
    "SnowflakeQuery",
    "DatabricksQuery",
    "Indicators",
    "Validations",
];
pub(super) const REFRESH: &[&str] = &[
    "ObjectPath",
    "PeriodMinutes",
    "CronExpression",
    "AlarmPeriodMinutes",
    "RoleARN",
    "GCSCredentials",
    "ObjectKMSKey",
    "StorageProvider",
];
pub(super) const SCHEDULED_PROMPT: &[&str] =
    &["PromptName", "DisplayName", "PromptText", "RunAsUser", "Schedule", "OutputLength", "Enabled", "Private"];
