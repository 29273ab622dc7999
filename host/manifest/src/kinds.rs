//! The kinds of values that keys take.

use std::collections::{BTreeMap, HashSet};
use std::marker::PhantomData;
use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::{DeArray, DeValue};

use crate::context::{Context, found};
use crate::json::{self, members};
use crate::keys::{Key, Keys, Kind, schema_of};
use crate::reader;
use crate::report::{Problem, Refusal};
use wasm_flow_contract::nearest::nearest;
use wasm_flow_contract::query::Query;

/// A string that a function reads.
pub(crate) struct Format<T> {
    pub(crate) parse: fn(&str) -> Result<T, Refusal>,
    /// What JSON Schema can say of the string. It may allow more than `parse`
    /// does, and never less.
    pub(crate) schema: fn() -> Map<String, Value>,
}

impl<T> Format<T> {
    /// Reads a string, or reports why it cannot be one.
    fn read(
        &self,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
        context: &mut Context<'_>,
    ) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            context.wrong_type(value, expected);
            return None;
        };
        match (self.parse)(text) {
            Ok(value) => Some(value),
            Err(refusal) => {
                let problem = refusal.at(value.span(), &context.example);
                context.refuse(value, problem);
                None
            }
        }
    }

    fn string_schema(&self) -> Map<String, Value> {
        let mut schema = (self.schema)();
        schema.insert("type".to_owned(), "string".into());
        schema
    }
}

/// A string.
pub(crate) fn text<T>(format: Format<T>) -> Key<Text<T>> {
    Key::new(Text(format))
}

pub(crate) struct Text<T>(Format<T>);

impl<T> Kind for Text<T> {
    type Value = T;

    fn read(&self, value: &Spanned<DeValue<'_>>, context: &mut Context<'_>) -> Option<T> {
        self.0.read(value, "a string", context)
    }

    fn schema(&self) -> Map<String, Value> {
        self.0.string_schema()
    }
}

/// A list of strings, or one string for a list of one. `expected` is what it has
/// to be, for a person.
pub(crate) fn texts<T>(expected: &'static str, format: Format<T>) -> Key<Texts<T>> {
    Key::new(Texts {
        expected,
        format,
        set: None,
    })
}

pub(crate) struct Texts<T> {
    expected: &'static str,
    format: Format<T>,
    /// What to do about an empty list, if it must not be empty and must not have
    /// an item twice.
    set: Option<&'static str>,
}

impl<T> Key<Texts<T>> {
    /// One item at least, and none twice. `if_empty` is what to do about an empty
    /// list.
    pub(crate) fn set(mut self, if_empty: &'static str) -> Self {
        self.kind.set = Some(if_empty);
        self
    }
}

impl<T> Texts<T> {
    /// Reports what a set must not be.
    fn check_set(&self, values: &DeArray<'_>, if_empty: &str, context: &mut Context<'_>) {
        if values.is_empty() {
            let title = format!("`{}` is an empty list", context.name);
            let problem = Problem::new(context.key.clone(), title).help(if_empty);
            context.problems.report(problem);
        }
        let mut seen = HashSet::new();
        for value in values.iter() {
            if let Some(text) = value.get_ref().as_str().filter(|text| !seen.insert(*text)) {
                let title = format!("`{text}` is in `{}` twice", context.name);
                let problem = Problem::new(value.span(), title).help("remove one of the two");
                context.problems.report(problem);
            }
        }
    }
}

/// The items of a list.
#[derive(Debug)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<Spanned<T>>,
    /// Whether these are all, and as they should be. An item that was refused is
    /// left out.
    pub(crate) complete: bool,
}

impl<T> Kind for Texts<T> {
    type Value = Items<T>;

    fn read(&self, value: &Spanned<DeValue<'_>>, context: &mut Context<'_>) -> Option<Items<T>> {
        let before = context.problems.count();
        let mut items = Vec::new();
        let mut item = |value: &Spanned<DeValue<'_>>, context: &mut Context<'_>| {
            let read = self.format.read(value, self.expected, context);
            items.extend(read.map(|read| Spanned::new(value.span(), read)));
        };
        match value.get_ref() {
            DeValue::Array(values) => {
                values.iter().for_each(|value| item(value, context));
                if let Some(if_empty) = self.set {
                    self.check_set(values, if_empty, context);
                }
            }
            _ => item(value, context),
        }
        Some(Items {
            items,
            complete: context.problems.count() == before,
        })
    }

    fn schema(&self) -> Map<String, Value> {
        let item = self.format.string_schema();
        let mut list = members(json!({ "type": "array", "items": item }));
        if self.set.is_some() {
            list.insert("minItems".to_owned(), 1.into());
            list.insert("uniqueItems".to_owned(), true.into());
        }
        members(json!({ "anyOf": [item, list] }))
    }
}

/// A string with a number and a unit.
pub(crate) struct Quantity<T> {
    /// `a size`.
    pub(crate) what: &'static str,
    pub(crate) parse: fn(&str) -> Result<T, String>,
    /// As for [`Format::schema`].
    pub(crate) pattern: &'static str,
}

pub(crate) fn quantity<T>(quantity: Quantity<T>) -> Key<Quantity<T>> {
    Key::new(quantity)
}

impl<T> Kind for Quantity<T> {
    type Value = T;

    fn read(&self, value: &Spanned<DeValue<'_>>, context: &mut Context<'_>) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            context.wrong_type(value, &format!("{}, as a string", self.what));
            return None;
        };
        match (self.parse)(text) {
            Ok(quantity) => Some(quantity),
            Err(reason) => {
                let title = format!("`{}` is not {}", context.name, self.what);
                let problem = Problem::new(value.span(), title)
                    .label(reason)
                    .help(context.example.clone());
                context.refuse(value, problem);
                None
            }
        }
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({ "type": "string", "pattern": self.pattern }))
    }
}

/// A whole number within bounds, both included.
pub(crate) fn whole<T: Number>(bounds: RangeInclusive<u64>) -> Key<Whole<T>> {
    Key::new(Whole {
        bounds,
        number: PhantomData,
    })
}

pub(crate) struct Whole<T> {
    bounds: RangeInclusive<u64>,
    number: PhantomData<T>,
}

/// The type that a whole number is read into.
pub(crate) trait Number: Sized {
    /// The number, if the type has it.
    fn from_u64(number: u64) -> Option<Self>;
}

impl Number for u16 {
    fn from_u64(number: u64) -> Option<Self> {
        number.try_into().ok()
    }
}

impl Number for u32 {
    fn from_u64(number: u64) -> Option<Self> {
        number.try_into().ok()
    }
}

impl Number for NonZeroU32 {
    fn from_u64(number: u64) -> Option<Self> {
        NonZeroU32::new(number.try_into().ok()?)
    }
}

impl Number for NonZeroUsize {
    fn from_u64(number: u64) -> Option<Self> {
        NonZeroUsize::new(number.try_into().ok()?)
    }
}

impl<T: Number> Kind for Whole<T> {
    type Value = T;

    fn read(&self, value: &Spanned<DeValue<'_>>, context: &mut Context<'_>) -> Option<T> {
        let (least, most) = (self.bounds.start(), self.bounds.end());
        let expected = format!("a whole number from {least} to {most}");
        let number = match value.get_ref() {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix()),
            _ => match context.variable(value) {
                Some(text) => text.parse(),
                None => {
                    context.wrong_type(value, &expected);
                    return None;
                }
            },
        };
        let number = number
            .ok()
            .filter(|number| self.bounds.contains(number))
            .and_then(T::from_u64);
        if number.is_none() {
            let title = format!("`{}` must be {expected}", context.name);
            let label = match value.get_ref() {
                DeValue::Integer(_) => "out of range",
                _ => "stands for something else",
            };
            let problem = Problem::new(value.span(), title)
                .label(label)
                .help(context.example.clone());
            context.problems.report(problem);
        }
        number
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({
            "type": "integer",
            "minimum": self.bounds.start(),
            "maximum": self.bounds.end(),
        }))
    }
}

/// One of a few words.
pub(crate) fn choice<T: Copy>(choices: &'static [(&'static str, T)]) -> Key<Choice<T>> {
    Key::new(Choice(choices))
}

pub(crate) struct Choice<T: 'static>(&'static [(&'static str, T)]);

impl<T> Choice<T> {
    fn words(&self) -> impl Iterator<Item = &'static str> + use<T> {
        self.0.iter().map(|(word, _)| *word)
    }

    /// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
    fn expected(&self) -> String {
        let quoted: Vec<String> = self.words().map(|word| format!("\"{word}\"")).collect();
        match quoted.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        }
    }
}

impl<T: Copy> Choice<T> {
    /// The value of what is called `name` in messages.
    fn read_named(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        context: &mut Context<'_>,
    ) -> Option<T> {
        let text = value.get_ref().as_str();
        if let Some((_, choice)) = self.0.iter().find(|(word, _)| Some(*word) == text) {
            return Some(*choice);
        }
        let title = format!("`{name}` must be {}", self.expected());
        let problem = Problem::new(value.span(), title);
        context.problems.report(match text {
            None => problem.label(format!("found {}", found(value.get_ref()))),
            Some(text) => match nearest(text, self.words()) {
                Some(word) => problem.help(format!("did you mean \"{word}\"?")),
                None => problem,
            },
        });
        None
    }
}

impl<T: Copy> Kind for Choice<T> {
    type Value = T;

    fn read(&self, value: &Spanned<DeValue<'_>>, context: &mut Context<'_>) -> Option<T> {
        self.read_named(context.name, value, context)
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({ "type": "string", "enum": self.words().collect::<Vec<_>>() }))
    }
}

/// One of a few words, or a table with one of them under any key. `keys` says what the
/// keys are, for a person: `endpoint`.
pub(crate) fn choice_by_key<T: Copy>(
    keys: &'static str,
    choices: &'static [(&'static str, T)],
) -> Key<ChoiceByKey<T>> {
    Key::new(ChoiceByKey {
        keys,
        choice: Choice(choices),
    })
}

pub(crate) struct ChoiceByKey<T: 'static> {
    keys: &'static str,
    choice: Choice<T>,
}

/// One value, or several by key.
#[derive(Debug)]
pub(crate) enum OneOrByKey<T> {
    One(T),
    ByKey(BTreeMap<String, Spanned<T>>),
}

impl<T: Copy> Kind for ChoiceByKey<T> {
    type Value = OneOrByKey<T>;

    /// The place of each value is that of its key.
    fn read(
        &self,
        value: &Spanned<DeValue<'_>>,
        context: &mut Context<'_>,
    ) -> Option<OneOrByKey<T>> {
        let entries = match value.get_ref() {
            DeValue::String(_) => {
                return self.choice.read(value, context).map(OneOrByKey::One);
            }
            DeValue::Table(entries) => entries,
            _ => {
                let expected = format!(
                    "{}, or a table of these by {}",
                    self.choice.expected(),
                    self.keys
                );
                context.wrong_type(value, &expected);
                return None;
            }
        };
        let mut choices = BTreeMap::new();
        for (key, value) in entries.iter() {
            let name: &str = key.get_ref();
            let shown = format!("{}.\"{name}\"", context.name);
            if let Some(choice) = self.choice.read_named(&shown, value, context) {
                choices.insert(name.to_owned(), Spanned::new(key.span(), choice));
            }
        }
        Some(OneOrByKey::ByKey(choices))
    }

    fn schema(&self) -> Map<String, Value> {
        let choice = self.choice.schema();
        let table = json!({ "type": "object", "additionalProperties": choice });
        members(json!({ "anyOf": [choice, table] }))
    }
}

/// True or false.
pub(crate) fn flag() -> Key<Flag> {
    Key::new(Flag)
}

pub(crate) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(&self, value: &Spanned<DeValue<'_>>, context: &mut Context<'_>) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => match context.variable(value) {
                Some("true") => Some(true),
                Some("false") => Some(false),
                Some(_) => {
                    let title = format!("`{}` must be true or false", context.name);
                    let problem = Problem::new(value.span(), title)
                        .label("stands for something else")
                        .help(context.example.clone());
                    context.refuse(value, problem);
                    None
                }
                None => {
                    context.wrong_type(value, "true or false");
                    None
                }
            },
        }
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({ "type": "boolean" }))
    }
}

/// A condition on documents.
pub(crate) fn query() -> Key<QueryTable> {
    Key::new(QueryTable)
}

pub(crate) struct QueryTable;

impl Kind for QueryTable {
    type Value = Query;

    fn read(&self, value: &Spanned<DeValue<'_>>, context: &mut Context<'_>) -> Option<Query> {
        let object = FreeTable.read(value, context)?;
        match Query::parse(&Value::Object(object)) {
            Ok(query) => Some(query),
            Err(error) => {
                let problem =
                    Problem::new(value.span(), error.to_string()).help(context.example.clone());
                context.refuse(value, problem);
                None
            }
        }
    }

    fn schema(&self) -> Map<String, Value> {
        FreeTable.schema()
    }
}

/// A table of whatever an executor expects in it.
pub(crate) fn free_table() -> Key<FreeTable> {
    Key::new(FreeTable)
}

pub(crate) struct FreeTable;

impl Kind for FreeTable {
    type Value = Map<String, Value>;

    fn read(
        &self,
        value: &Spanned<DeValue<'_>>,
        context: &mut Context<'_>,
    ) -> Option<Map<String, Value>> {
        match value.get_ref() {
            DeValue::Table(entries) => Some(json::object(context.problems, entries)),
            _ => {
                context.wrong_type(value, "a table");
                None
            }
        }
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({ "type": "object" }))
    }
}

/// A table with a string under any key. `expected` is what the string has to be,
/// for a person.
pub(crate) fn texts_by_key(expected: &'static str) -> Key<TextsByKey> {
    Key::new(TextsByKey { expected })
}

pub(crate) struct TextsByKey {
    expected: &'static str,
}

impl Kind for TextsByKey {
    type Value = BTreeMap<String, String>;

    fn read(
        &self,
        value: &Spanned<DeValue<'_>>,
        context: &mut Context<'_>,
    ) -> Option<BTreeMap<String, String>> {
        let DeValue::Table(entries) = value.get_ref() else {
            context.wrong_type(value, "a table");
            return None;
        };
        let mut texts = BTreeMap::new();
        for (key, value) in entries.iter() {
            let key: &str = key.get_ref();
            match value.get_ref().as_str() {
                Some(text) => {
                    texts.insert(key.to_owned(), text.to_owned());
                }
                None => {
                    let name = format!("{}.\"{key}\"", context.name);
                    context.wrong_type_of(&name, value, self.expected);
                }
            }
        }
        Some(texts)
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({ "type": "object", "additionalProperties": { "type": "string" } }))
    }
}

/// A table with a table under any key.
pub(crate) fn tables_by_key<T: Keys>() -> Key<TablesByKey<T>> {
    Key::new(TablesByKey(PhantomData))
}

pub(crate) struct TablesByKey<T>(PhantomData<T>);

impl<T: Keys> Kind for TablesByKey<T> {
    type Value = BTreeMap<String, Spanned<T>>;

    fn read(
        &self,
        value: &Spanned<DeValue<'_>>,
        context: &mut Context<'_>,
    ) -> Option<BTreeMap<String, Spanned<T>>> {
        let DeValue::Table(entries) = value.get_ref() else {
            context.wrong_type(value, "a table");
            return None;
        };
        let mut tables = BTreeMap::new();
        for (key, value) in entries.iter() {
            let name: &str = key.get_ref();
            match value.get_ref() {
                DeValue::Table(entries) => {
                    let table = reader::table(context.problems, entries, key.span());
                    tables.insert(name.to_owned(), Spanned::new(key.span(), table));
                }
                _ => {
                    let name = format!("{}.\"{name}\"", context.name);
                    context.wrong_type_of(&name, value, "a table");
                }
            }
        }
        Some(tables)
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({ "type": "object", "additionalProperties": schema_of::<T>() }))
    }
}

/// A table with declared keys.
pub(crate) fn table<T: Keys>() -> Key<Table<T>> {
    Key::new(Table(PhantomData))
}

pub(crate) struct Table<T>(PhantomData<T>);

impl<T: Keys> Kind for Table<T> {
    type Value = T;

    fn read(&self, value: &Spanned<DeValue<'_>>, context: &mut Context<'_>) -> Option<T> {
        match value.get_ref() {
            DeValue::Table(entries) => Some(reader::table(
                context.problems,
                entries,
                context.key.clone(),
            )),
            _ => {
                context.wrong_type(value, "a table");
                None
            }
        }
    }

    fn schema(&self) -> Map<String, Value> {
        schema_of::<T>()
    }
}

/// A string, or a table with declared keys, one of which takes such a string.
pub(crate) fn text_or_table<S, T: Keys>(format: Format<S>) -> Key<TextOrTable<S, T>> {
    Key::new(TextOrTable {
        format,
        table: PhantomData,
    })
}

pub(crate) struct TextOrTable<S, T> {
    format: Format<S>,
    table: PhantomData<T>,
}

/// What a [`TextOrTable`] was.
#[derive(Debug)]
pub(crate) enum Either<S, T> {
    Text(S),
    Table(T),
}

impl<S, T: Keys> Kind for TextOrTable<S, T> {
    type Value = Either<S, T>;

    fn read(
        &self,
        value: &Spanned<DeValue<'_>>,
        context: &mut Context<'_>,
    ) -> Option<Either<S, T>> {
        match value.get_ref() {
            DeValue::Table(entries) => Some(Either::Table(reader::named_table(
                context.problems,
                entries,
                context.key.clone(),
                context.name,
            ))),
            _ => {
                let text = self.format.read(value, "a string or a table", context);
                text.map(Either::Text)
            }
        }
    }

    fn schema(&self) -> Map<String, Value> {
        members(json!({ "anyOf": [self.format.string_schema(), schema_of::<T>()] }))
    }
}

/// A list of strings and of tables with declared keys, or one of them for a list of one.
/// `expected` is what it has to be, for a person.
pub(crate) fn texts_or_tables<S, T: Keys>(
    expected: &'static str,
    format: Format<S>,
) -> Key<TextsOrTables<S, T>> {
    Key::new(TextsOrTables {
        expected,
        format,
        table: PhantomData,
    })
}

pub(crate) struct TextsOrTables<S, T> {
    expected: &'static str,
    format: Format<S>,
    table: PhantomData<T>,
}

impl<S, T: Keys> TextsOrTables<S, T> {
    fn item(
        &self,
        value: &Spanned<DeValue<'_>>,
        context: &mut Context<'_>,
    ) -> Option<Either<S, T>> {
        match value.get_ref() {
            DeValue::Table(entries) => Some(Either::Table(reader::table(
                context.problems,
                entries,
                value.span(),
            ))),
            _ => {
                let text = self.format.read(value, self.expected, context);
                text.map(Either::Text)
            }
        }
    }
}

impl<S, T: Keys> Kind for TextsOrTables<S, T> {
    /// An item that was refused is left out.
    type Value = Vec<Either<S, T>>;

    fn read(
        &self,
        value: &Spanned<DeValue<'_>>,
        context: &mut Context<'_>,
    ) -> Option<Vec<Either<S, T>>> {
        let items = match value.get_ref() {
            DeValue::Array(values) => values
                .iter()
                .filter_map(|value| self.item(value, context))
                .collect(),
            _ => self.item(value, context).into_iter().collect(),
        };
        Some(items)
    }

    fn schema(&self) -> Map<String, Value> {
        let (text, table) = (self.format.string_schema(), schema_of::<T>());
        let item = json!({ "anyOf": [text, table] });
        members(json!({ "anyOf": [text, table, { "type": "array", "items": item }] }))
    }
}

/// A list of tables with declared keys.
pub(crate) fn tables<T: Keys>() -> Key<Tables<T>> {
    Key::new(Tables {
        none: None,
        most: usize::MAX,
        table: PhantomData,
    })
}

pub(crate) struct Tables<T> {
    /// What is said if there are none, if there have to be some.
    none: Option<&'static str>,
    most: usize,
    table: PhantomData<T>,
}

impl<T> Key<Tables<T>> {
    /// One at least: without, this is said.
    pub(crate) fn at_least_one(mut self, none: &'static str) -> Self {
        self.kind.none = Some(none);
        self.required()
    }

    pub(crate) fn at_most(mut self, most: usize) -> Self {
        self.kind.most = most;
        self
    }
}

impl<T: Keys> Kind for Tables<T> {
    type Value = Vec<Spanned<T>>;

    fn read(
        &self,
        value: &Spanned<DeValue<'_>>,
        context: &mut Context<'_>,
    ) -> Option<Vec<Spanned<T>>> {
        const EXPECTED: &str = "a list of tables";
        let DeValue::Array(items) = value.get_ref() else {
            context.wrong_type(value, EXPECTED);
            return None;
        };
        if let (Some(none), true) = (self.none, items.is_empty()) {
            let problem = Problem::new(context.key.clone(), none).help(context.example.clone());
            context.problems.report(problem);
        }
        if let Some(first) = items.get(self.most) {
            let title = format!("`{}` has {} tables", context.name, items.len());
            let problem = Problem::new(first.span(), title)
                .label(format!("the first of more than {}", self.most))
                .help(format!("at most {} are allowed", self.most));
            context.problems.report(problem);
        }
        let mut tables = Vec::new();
        for item in items.iter().take(self.most) {
            match item.get_ref() {
                DeValue::Table(entries) => tables.push(Spanned::new(
                    item.span(),
                    reader::table(context.problems, entries, item.span()),
                )),
                _ => context.wrong_type(item, EXPECTED),
            }
        }
        Some(tables)
    }

    fn schema(&self) -> Map<String, Value> {
        let mut schema = members(json!({ "type": "array", "items": schema_of::<T>() }));
        if self.none.is_some() {
            schema.insert("minItems".to_owned(), 1.into());
        }
        if self.most < usize::MAX {
            schema.insert("maxItems".to_owned(), self.most.into());
        }
        schema
    }

    fn absent(&self) -> Option<&'static str> {
        self.none
    }
}
