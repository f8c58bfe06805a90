//! The YAML of a correlation rule, checked.

use uncia_model::DetectionId;

use super::rule::{CorrelationRule, Criterion, Form, Member, Transition};
use crate::content::fields::Fields;
use crate::content::schedule::read_schedule;
use crate::content::yaml::{Node, Yaml};

const DEFAULT_LOOKBACK_MINUTES: u64 = 15;

const COMMON: &[&str] = &["Schedule", "LookbackWindowMinutes", "EventEvaluationOrder"];
const SEQUENCE: &[&str] = &["Sequence", "Transitions"];
const GROUP: &[&str] = &["Group", "MatchCriteria", "MinMatchCount"];
const MEMBER: &[&str] = &["RuleID", "ID", "MinMatchCount", "MaxMatchCount", "Absence"];

/// `None` if it cannot be evaluated; the problems say why.
pub(crate) fn read_correlation(fields: &mut Fields<'_>) -> Option<CorrelationRule> {
    let line = fields.line_of("Detection");
    let [node] = fields.list("Detection") else {
        fields.wrong(line, "`Detection` must be a list of one sequence or one group");
        return None;
    };
    let mut inner = fields.inner(node, "`Detection`")?;
    let is_sequence = inner.node("Sequence").is_some();
    if is_sequence == inner.node("Group").is_some() {
        inner.wrong(node.line, "needs exactly one of `Sequence` and `Group`");
        return None;
    }
    inner.only(&[COMMON, if is_sequence { SEQUENCE } else { GROUP }]);
    let schedule = read_schedule(&mut inner);
    let lookback = inner.whole("LookbackWindowMinutes").unwrap_or(DEFAULT_LOOKBACK_MINUTES);
    let newest_first = order(&mut inner);
    let mut members = members(if is_sequence { "Sequence" } else { "Group" }, &mut inner)?;
    let form = if is_sequence {
        Form::Sequence { transitions: transitions(&mut members, &mut inner)? }
    } else {
        // How many members must be there; there is no rule that says less than all.
        inner.whole("MinMatchCount");
        Form::Group { criteria: criteria(&mut members, &mut inner)? }
    };
    if members.iter().all(|member| member.absence) {
        inner.wrong(node.line, "all members are absences, so that silence would match for ever; one must be present");
        return None;
    }
    let lookback_minutes = i64::try_from(lookback).unwrap_or(i64::MAX);
    Some(CorrelationRule { members, schedule: schedule?, lookback_minutes, newest_first, form })
}

fn order(fields: &mut Fields<'_>) -> bool {
    let line = fields.line_of("EventEvaluationOrder");
    match fields.text("EventEvaluationOrder").as_deref() {
        None | Some("Chronological") => false,
        Some("ReverseChronological") => true,
        Some(other) => {
            let message =
                format!("`EventEvaluationOrder` must be Chronological or ReverseChronological, found `{other}`");
            fields.wrong(line, message);
            false
        }
    }
}

fn members(key: &str, fields: &mut Fields<'_>) -> Option<Vec<Member>> {
    let mut members: Vec<Member> = Vec::new();
    let mut complete = true;
    for (place, node) in fields.list(key).iter().enumerate() {
        let member = fields.inner(node, &format!("`{key}` {}", place + 1)).and_then(|mut inner| member(&mut inner));
        match member {
            Some(member) if members.iter().any(|other| other.id == member.id) => {
                fields.wrong(
                    node.line,
                    format!("`{key}` has two members `{}`; give one of them another `ID`", member.id),
                );
                complete = false;
            }
            Some(member) => members.push(member),
            None => complete = false,
        }
    }
    if members.is_empty() && complete {
        fields.missing(key, "the rules whose signals count");
    }
    (complete && !members.is_empty()).then_some(members)
}

fn member(fields: &mut Fields<'_>) -> Option<Member> {
    fields.only(&[MEMBER]);
    let rule = fields.required_text("RuleID")?;
    let count = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let min = fields.whole("MinMatchCount").map_or(1, count);
    let max = fields.whole("MaxMatchCount").map(count);
    if max.is_some_and(|max| max < min) {
        let line = fields.line_of("MaxMatchCount");
        fields.wrong(line, "`MaxMatchCount` is below `MinMatchCount`");
        return None;
    }
    let absence = fields.flag("Absence").unwrap_or(false);
    let id = fields.text("ID").unwrap_or_else(|| rule.clone());
    Some(Member { id, rule: DetectionId::new(rule), min, max, absence, fields: Vec::new() })
}

/// The place of a member by its id, or a complaint.
fn place_of(id: &str, members: &[Member], line: usize, fields: &mut Fields<'_>) -> Option<usize> {
    let place = members.iter().position(|member| member.id == id);
    if place.is_none() {
        let known: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
        fields.wrong(line, format!("there is no member `{id}`; there are {}", known.join(", ")));
    }
    place
}

fn note(member: &mut Member, field: &str) {
    if !member.fields.iter().any(|has| has == field) {
        member.fields.push(field.to_owned());
    }
}

fn criteria(members: &mut [Member], fields: &mut Fields<'_>) -> Option<Vec<Criterion>> {
    let mut criteria = Vec::new();
    for (name, node) in fields.pairs("MatchCriteria") {
        let Yaml::List(entries) = &node.yaml else {
            fields.wrong(node.line, format!("`MatchCriteria`: `{}` must be a list, found {}", name.text, node.kind()));
            return None;
        };
        let mut criterion = Criterion { name: name.text.clone(), fields: Vec::new() };
        for entry in entries {
            let mut inner = fields.inner(entry, &format!("`MatchCriteria` `{}`", name.text))?;
            inner.only(&[&["GroupID", "Match"]]);
            let (member, field) = (inner.required_text("GroupID")?, inner.required_text("Match")?);
            let place = place_of(&member, members, entry.line, &mut inner)?;
            note(&mut members[place], &field);
            criterion.fields.push((place, field));
        }
        criteria.push(criterion);
    }
    Some(criteria)
}

fn transitions(members: &mut [Member], fields: &mut Fields<'_>) -> Option<Vec<Transition>> {
    let mut transitions = vec![Transition::default(); members.len().saturating_sub(1)];
    for (number, node) in fields.list("Transitions").iter().enumerate() {
        let mut inner = fields.inner(node, &format!("`Transitions` {}", number + 1))?;
        inner.only(&[&["ID", "From", "To", "WithinTimeFrameMinutes", "Match"]]);
        let (from, to) = (inner.required_text("From")?, inner.required_text("To")?);
        let from = place_of(&from, members, node.line, &mut inner)?;
        let to = place_of(&to, members, node.line, &mut inner)?;
        if to != from + 1 {
            inner.wrong(node.line, "leads from a step to one that does not follow it; name neighbours of `Sequence`");
            return None;
        }
        let within = inner.whole("WithinTimeFrameMinutes");
        let mut matches = Vec::new();
        for entry in inner.list("Match") {
            let pair = matched_fields(entry, &mut inner)?;
            note(&mut members[from], &pair.0);
            note(&mut members[to], &pair.1);
            matches.push(pair);
        }
        let within_minutes = within.map(|minutes| i64::try_from(minutes).unwrap_or(i64::MAX));
        transitions[from] = Transition { within_minutes, matches };
    }
    Some(transitions)
}

/// `On: field`, or `From: field` and `To: field`.
fn matched_fields(node: &Node, fields: &mut Fields<'_>) -> Option<(String, String)> {
    let mut inner = fields.inner(node, "`Match`")?;
    inner.only(&[&["On", "From", "To"]]);
    match (inner.text("On"), inner.text("From"), inner.text("To")) {
        (Some(on), None, None) => Some((on.clone(), on)),
        (None, Some(from), Some(to)) => Some((from, to)),
        _ => {
            inner.wrong(node.line, "needs `On`, or both `From` and `To`");
            None
        }
    }
}
