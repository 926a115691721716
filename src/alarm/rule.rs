//! One rule in CEL (Common Expression Language), compiled, with its references checked.
//!
//! A measurement that is NaN is not known. A rule that would be true whatever the unknown values
//! were is true; one that would be false whatever they were is false; else the rule is unknown
//! (S. C. Kleene's strong logic), and nothing is raised or cleared by a lost measurement. It is
//! found by trying the unknown values at plus and minus infinity.

use std::collections::BTreeMap;

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{Context, Program, Value};

use crate::gauge::Schema;

/// Why a rule cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AlarmError {
    #[error("alarm '{alarm}': the rule cannot be read at column {column}: {what}")]
    Syntax { alarm: String, column: isize, what: String },
    #[error("alarm '{alarm}': there is no '{reference}'; {advice}")]
    UnknownReference { alarm: String, reference: String, advice: String },
    #[error(
        "alarm '{alarm}': the rule goes through a list ({LOOPS}), and how long that takes has no \
         limit; write the conditions one by one, joined by && and ||"
    )]
    Loop { alarm: String },
    #[error("alarm '{alarm}': the rule gives {found}, but must give true or false")]
    NotBoolean { alarm: String, found: String },
}

/// The macros of CEL that run over a list.
const LOOPS: &str = "all, exists, exists_one, map or filter";

/// What a rule says of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    True,
    False,
    Unknown,
}

/// All names that a rule may refer to: object, field, and unit for messages.
pub struct Names {
    fields: BTreeMap<String, Vec<(String, &'static str)>>,
}

/// A compiled rule.
pub struct Rule {
    pub text: String,
    program: Program,
    /// Object and field; `time` has no field.
    pub references: Vec<(String, String)>,
}

/// More unknown values than this at once leave a rule unknown without trying.
const UNKNOWN_AT_MOST: usize = 4;

impl Names {
    /// The names of the frame, the drift, the cell and the gauges. `units` tells a field's unit.
    pub fn new(
        gauges: &[(String, &Schema)],
        units: impl Fn(crate::frame::Dimension) -> &'static str,
    ) -> Names {
        let list = |fields: &[(&str, &'static str)]| {
            fields.iter().map(|(name, unit)| ((*name).to_owned(), *unit)).collect::<Vec<_>>()
        };
        let mut fields = BTreeMap::from([
            ("time".to_owned(), list(&[("", "s")])),
            (
                "drift".to_owned(),
                list(&[
                    ("x", "px"),
                    ("y", "px"),
                    ("x_errors", "px"),
                    ("y_errors", "px"),
                    ("quality", ""),
                    ("locked", ""),
                ]),
            ),
            ("cell".to_owned(), list(&[("voltage", "V"), ("current", "A")])),
        ]);
        for (name, schema) in gauges {
            let mut own = list(&[("quality", "")]);
            for field in &schema.fields {
                let unit = units(field.dimension);
                own.push((field.name.to_owned(), unit));
                own.push((format!("{}_errors", field.name), unit));
            }
            fields.insert(name.clone(), own);
        }
        Names { fields }
    }

    /// The unit of a reference.
    pub fn unit(&self, object: &str, field: &str) -> &'static str {
        self.fields
            .get(object)
            .and_then(|fields| fields.iter().find(|(name, _)| name == field))
            .map_or("", |(_, unit)| unit)
    }

    fn check(&self, alarm: &str, object: &str, field: &str) -> Result<(), AlarmError> {
        let error = |advice: String| AlarmError::UnknownReference {
            alarm: alarm.to_owned(),
            reference: format!("{object}.{field}").trim_end_matches('.').to_owned(),
            advice,
        };
        let Some(fields) = self.fields.get(object) else {
            let known: Vec<&str> = self.fields.keys().map(String::as_str).collect();
            return Err(error(advice("gauges and objects", object, &known)));
        };
        if fields.iter().any(|(name, _)| name == field) {
            return Ok(());
        }
        let known: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        Err(error(advice(&format!("fields of '{object}'"), field, &known)))
    }
}

fn advice(what: &str, wrong: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(name, wrong), *name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let list = known.join(", ");
    match nearest {
        Some((_, name)) => format!("did you mean '{name}'? the {what} are: {list}"),
        None => format!("the {what} are: {list}"),
    }
}

impl Rule {
    /// Compiles a rule and checks what it refers to.
    ///
    /// # Errors
    /// [`AlarmError`] for wrong syntax, unknown references, and rules that are not boolean.
    pub fn compile(alarm: &str, text: &str, names: &Names) -> Result<Rule, AlarmError> {
        let program = Program::compile(text).map_err(|errors| {
            let first = errors.errors.first();
            AlarmError::Syntax {
                alarm: alarm.to_owned(),
                column: first.map_or(1, |error| error.pos.1),
                what: first.map_or_else(|| errors.to_string(), |error| error.msg.clone()),
            }
        })?;
        let mut references = Vec::new();
        if !collect(program.expression(), &mut references) {
            return Err(AlarmError::Loop { alarm: alarm.to_owned() });
        }
        references.sort();
        references.dedup();
        for (object, field) in &references {
            names.check(alarm, object, field)?;
        }
        let rule = Rule { text: text.to_owned(), program, references };
        // A trial run finds rules that give a number, or mix whole and decimal numbers.
        let trial = vec![1.5; rule.references.len()];
        rule.execute(&trial)
            .map_err(|found| AlarmError::NotBoolean { alarm: alarm.to_owned(), found })?;
        Ok(rule)
    }

    /// The verdict for the values of [`Rule::references`], NaN where not known.
    pub fn judge(&self, values: &[f64]) -> Verdict {
        let unknown: Vec<usize> = (0..values.len()).filter(|k| values[*k].is_nan()).collect();
        if unknown.len() > UNKNOWN_AT_MOST {
            return Verdict::Unknown;
        }
        let mut tried = values.to_vec();
        let (mut can_be_true, mut can_be_false) = (false, false);
        for choice in 0..1usize << unknown.len() {
            for (bit, k) in unknown.iter().enumerate() {
                let high = choice >> bit & 1 == 1;
                tried[*k] = if high { f64::INFINITY } else { f64::NEG_INFINITY };
            }
            match self.execute(&tried) {
                Ok(true) => can_be_true = true,
                Ok(false) => can_be_false = true,
                Err(_) => return Verdict::Unknown,
            }
        }
        match (can_be_true, can_be_false) {
            (true, false) => Verdict::True,
            (false, true) => Verdict::False,
            _ => Verdict::Unknown,
        }
    }

    fn execute(&self, values: &[f64]) -> Result<bool, String> {
        let mut context = Context::default();
        let mut objects: BTreeMap<&str, std::collections::HashMap<String, Value>> = BTreeMap::new();
        for ((object, field), value) in self.references.iter().zip(values) {
            if field.is_empty() {
                context.add_variable_from_value(object.as_str(), *value);
            } else {
                objects.entry(object).or_default().insert(field.clone(), Value::Float(*value));
            }
        }
        for (object, fields) in objects {
            context.add_variable_from_value(object, fields);
        }
        match self.program.execute(&context) {
            Ok(Value::Bool(verdict)) => Ok(verdict),
            Ok(other) => Err(format!("a value of type {}", other.type_of())),
            Err(error) => {
                Err(format!("an error ({error}); numbers need a decimal point, as in 500.0"))
            }
        }
    }
}

/// All `object.field` and plain names of an expression; false when it runs over a list.
fn collect(expression: &IdedExpr, out: &mut Vec<(String, String)>) -> bool {
    match &expression.expr {
        Expr::Ident(name) if !name.starts_with('@') => out.push((name.clone(), String::new())),
        Expr::Select(select) => match &select.operand.expr {
            Expr::Ident(object) => out.push((object.clone(), select.field.clone())),
            _ => return collect(&select.operand, out),
        },
        Expr::Call(call) => {
            return call.target.iter().all(|target| collect(target, out))
                && call.args.iter().all(|argument| collect(argument, out));
        }
        Expr::List(list) => return list.elements.iter().all(|element| collect(element, out)),
        Expr::Map(map) => {
            return map.entries.iter().all(|entry| match &entry.expr {
                EntryExpr::StructField(field) => collect(&field.value, out),
                EntryExpr::MapEntry(entry) => {
                    collect(&entry.key, out) && collect(&entry.value, out)
                }
            });
        }
        Expr::Comprehension(_) => return false,
        _ => {}
    }
    true
}
