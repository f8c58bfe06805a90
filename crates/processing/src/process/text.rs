//! Text records on their way to a plan: the parser's pairs as a document, and headers read once per stream and thread.

use std::sync::Arc;

use uncia_document::{Document, Interner, KeyId, Value};
use uncia_model::Head;

use super::plan::{Plan, TextPlan};
use super::processor::Work;
use crate::parsers::{Found, Header, Line, Pairs};
use crate::schema::SchemaSpec;

/// What text parsers work with.
#[derive(Default)]
pub(super) struct Texts {
    pairs: Pairs,
    /// By place in the plans: what the plan's parser says of the head it saw last.
    headers: Vec<Option<KnownHeader>>,
}

struct KnownHeader {
    head: Arc<Head>,
    said: Result<Option<NumberedHeader>, String>,
}

/// A header with the keys of its columns.
type NumberedHeader = (Header, Box<[KeyId]>);

impl TextPlan {
    pub(super) fn compile(spec: &SchemaSpec, interner: &Interner) -> Option<Self> {
        let parser = spec.parser.clone()?;
        Some(Self { ids: ids(&parser.columns, interner), parser })
    }
}

fn ids(columns: &[Box<str>], interner: &Interner) -> Box<[KeyId]> {
    columns.iter().map(|name| interner.intern(name)).collect()
}

impl Work {
    /// The record as a document of strings; none for a header or a comment.
    pub(super) fn text_document(
        &mut self,
        place: usize,
        plan: &Plan,
        line: &Line<'_>,
    ) -> Result<Option<Document>, String> {
        let Some(text) = &plan.text else { return Err("the log type has no parser".to_owned()) };
        let Texts { pairs, headers } = &mut self.texts;
        let header = match line.head {
            Some(head) => header(headers, place, text, head, &self.interner)?,
            None => None,
        };
        let (columns, ids) = match header {
            Some((header, ids)) => (&*header.columns, &**ids),
            None => (&*text.parser.columns, &*text.ids),
        };
        match text.parser.read(line, header.map(|(header, _)| header), pairs)? {
            Found::Nothing => Ok(None),
            Found::Json(json) => match self.parser.parse(json.as_bytes()) {
                Ok(document) if matches!(document.root().value(), Value::Object(_)) => Ok(Some(document)),
                Ok(_) => Err("the record is no object".to_owned()),
                Err(error) => Err(format!("not JSON: {error}")),
            },
            Found::Pairs => {
                let work = crate::parsers::Work { interner: &self.interner, scratch: &mut self.scratch };
                Ok(Some(pairs.document(line.text, columns, ids, work)))
            }
        }
    }
}

type SeenHeader = (Header, Box<[KeyId]>);

/// The header that a head holds; asked once for each run of records of one stream.
fn header<'a>(
    headers: &'a mut Vec<Option<KnownHeader>>,
    place: usize,
    text: &TextPlan,
    head: &Arc<Head>,
    interner: &Interner,
) -> Result<Option<&'a SeenHeader>, String> {
    if headers.len() <= place {
        headers.resize_with(place + 1, || None);
    }
    let is_known = headers[place].as_ref().is_some_and(|known| Arc::ptr_eq(&known.head, head));
    if !is_known {
        let said = text.parser.header(head).map(|header| {
            header.map(|header| {
                let ids = ids(&header.columns, interner);
                (header, ids)
            })
        });
        headers[place] = Some(KnownHeader { head: head.clone(), said });
    }
    let known = headers[place].as_ref().expect("it was put there just now");
    match &known.said {
        Ok(header) => Ok(header.as_ref()),
        Err(why) => Err(why.clone()),
    }
}
