//! Records that are XML, and Windows' events in the shape that log shippers give them: the system part's values beside
//! each other, what the event itself says in `ExtraEventData`.

use serde_json::{Map, Value};

/// An XML element as JSON.
pub(super) fn xml(text: &str) -> Result<String, String> {
    let json = crate::xml::to_json(text.as_bytes()).map_err(|error| format!("not XML: {error}"))?;
    String::from_utf8(json).map_err(|error| error.to_string())
}

/// An event's XML, or the JSON of it, as JSON. Events that a shipper has flattened stay as they are.
pub(super) fn event(text: &str) -> Result<String, String> {
    let json = if text.starts_with('<') { xml(text)? } else { text.to_owned() };
    let parsed: Value = serde_json::from_str(&json).map_err(|error| format!("neither XML nor JSON: {error}"))?;
    let Value::Object(mut parsed) = parsed else { return Err("the record is no object".to_owned()) };
    if let Some(Value::Object(inner)) = parsed.remove("Event") {
        parsed = inner;
    }
    let Some(Value::Object(system)) = parsed.remove("System") else {
        return if text.starts_with('<') { Err("the XML has no `System`".to_owned()) } else { Ok(json) };
    };
    let mut event = Map::new();
    for (name, value) in system {
        flatten(&name, value, &mut event);
    }
    if let Some(data) = parsed.remove("EventData") {
        event_data(data, &mut event);
    }
    if let Some(rendering) = parsed.remove("RenderingInfo").as_mut().and_then(Value::as_object_mut)
        && let Some(Value::String(message)) = rendering.remove("Message")
    {
        let title = message.lines().next().unwrap_or_default().trim().trim_end_matches('.').to_owned();
        event.insert("MessageTitle".to_owned(), title.into());
        event.insert("Message".to_owned(), message.into());
    }
    for (name, value) in parsed {
        if name != "xmlns" {
            event.entry(name).or_insert(value);
        }
    }
    Ok(Value::Object(event).to_string())
}

/// One element of `System`: its text under its name, its attributes under the names that shippers give them.
fn flatten(name: &str, value: Value, event: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| {
        if value.as_str() != Some("") {
            event.insert(name.to_owned(), value);
        }
    };
    let Value::Object(attributes) = value else { return put(name, value) };
    for (attribute, value) in attributes {
        match (name, attribute.as_str()) {
            (_, "#text") => put(name, value),
            ("Provider", "Name" | "Guid") => put(&format!("Provider{attribute}"), value),
            ("Provider", "EventSourceName") => put("EventSourceName", value),
            ("TimeCreated", "SystemTime") => put(name, value),
            // `Qualifiers`, `ActivityID`, `ProcessID`, `ThreadID`, `UserID` …
            _ => put(&attribute, value),
        }
    }
}

/// Named data by their names; data without one, as a list.
fn event_data(data: Value, event: &mut Map<String, Value>) {
    let mut named = Map::new();
    let mut unnamed = Vec::new();
    let Value::Object(data) = data else { return };
    for (name, value) in data {
        if name != "Data" {
            named.insert(name, value);
            continue;
        }
        let items = match value {
            Value::Array(items) => items,
            one => vec![one],
        };
        for item in items {
            let Value::Object(mut item) = item else {
                unnamed.push(item);
                continue;
            };
            let text = item.remove("#text").unwrap_or_else(|| Value::String(String::new()));
            match item.remove("Name") {
                Some(Value::String(name)) => drop(named.insert(name, text)),
                _ => unnamed.push(text),
            }
        }
    }
    if !named.is_empty() {
        event.insert("ExtraEventData".to_owned(), named.into());
    }
    if !unnamed.is_empty() {
        event.insert("StringInserts".to_owned(), unnamed.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event() {
        let xml = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
            <Provider Name='Microsoft-Windows-Security-Auditing' Guid='{54849625-5478-4994-A5BA-3E3B0328C30D}'/>\
            <EventID Qualifiers='0'>4688</EventID><Level>0</Level><TimeCreated SystemTime='2024-01-15T10:30:45.1234567Z'/>\
            <EventRecordID>12345678</EventRecordID><Correlation/><Execution ProcessID='4' ThreadID='8'/>\
            <Channel>Security</Channel><Computer>WIN-1</Computer><Security UserID='S-1-5-18'/></System>\
            <EventData><Data Name='NewProcessName'>C:\\x.exe</Data><Data Name='Empty'/><Data>loose</Data></EventData>\
            <RenderingInfo Culture='en-US'><Message>A new process has been created.\n\nSubject: x</Message></RenderingInfo></Event>";
        let json = event(xml).unwrap();
        let found: Value = serde_json::from_str(&json).unwrap();
        let expected = serde_json::json!({
            "ProviderName": "Microsoft-Windows-Security-Auditing",
            "ProviderGuid": "{54849625-5478-4994-A5BA-3E3B0328C30D}",
            "EventID": "4688", "Qualifiers": "0", "Level": "0", "TimeCreated": "2024-01-15T10:30:45.1234567Z",
            "EventRecordID": "12345678", "ProcessID": "4", "ThreadID": "8", "Channel": "Security", "Computer": "WIN-1",
            "UserID": "S-1-5-18", "ExtraEventData": {"NewProcessName": "C:\\x.exe", "Empty": ""},
            "StringInserts": ["loose"], "Message": "A new process has been created.\n\nSubject: x",
            "MessageTitle": "A new process has been created",
        });
        assert_eq!(found, expected);
        // What splitting a stream of XML makes of the same event.
        assert_eq!(serde_json::from_str::<Value>(&event(&super::xml(xml).unwrap()).unwrap()).unwrap(), expected);
        assert_eq!(event(r#"{"EventID":1}"#).unwrap(), r#"{"EventID":1}"#);
        assert!(event("<a/>").is_err());
    }
}
