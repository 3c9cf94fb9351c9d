//! The binary form of a change, the op-list: how it travels and how it is stored.
//!
//! Self-contained: it begins with the actors it names, so a server copies it from its table into a page as it is
//! (zstd folds the repetition). Numbers are LEB128; signed ones zigzag. Decoding checks every bound before it
//! allocates; it accepts whatever is well-formed and [`encode`] writes the one canonical form, which is what is stored.
//!
//! ```text
//! actors   count, then 16 bytes each; the first is the author
//! seq      number
//! time     signed, milliseconds
//! deps     count, then (actor index, seq) each
//! ops      count, then for each:
//!   head   bits 0-1 action (0 make map, 1 put, 2 delete), bits 2-3 object (0 root, 1 local, 2 known),
//!          bits 4-7 number of predecessors (15: a number follows, plus 15)
//!   object local: index; known: actor index, counter
//!   key    0 then length and text, or a field number of the kind (root only)
//!   preds  for each: 0 then index, or actor index + 1 then counter
//!   value  type byte, then content; an instant is the difference to the change's time
//! ```

use super::limits::{
    CHANGE_ACTORS_MAX, CHANGE_BYTES_MAX, CHANGE_DEPENDENCIES_MAX, CHANGE_OPERATIONS_MAX, PREDECESSORS_MAX,
};
use crate::{
    document::{Action, Change, ChangeId, KEY_BYTES_MAX, Kind, Op, OpId, OpRef, SCALAR_BYTES_MAX, Value},
    ids::ActorId,
    time::Timestamp,
};

/// Bytes of one text value: prose of 10,000 characters of four bytes.
const TEXT_BYTES_MAX: usize = 40_000;

/// Why bytes are no op-list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpListError {
    /// The bytes end in the middle.
    #[error("the op-list ends early")]
    Truncated,
    /// Bytes are left over.
    #[error("the op-list has bytes after its end")]
    Trailing,
    /// A number, tag or index has no meaning.
    #[error("the op-list has an invalid {0}")]
    Invalid(&'static str),
    /// A bound of the protocol is exceeded.
    #[error("the op-list has too many or too long {0}")]
    TooLarge(&'static str),
}

/// Writes a change as an op-list, with field numbers up to `schema_version` and keys as text beyond it.
#[must_use]
pub fn encode(change: &Change, kind: Kind, schema_version: u16) -> Vec<u8> {
    let mut writer = Writer {
        out: Vec::with_capacity(64 + 24 * change.operations.len()),
        actors: Vec::new(),
    };
    writer.collect_actors(change);
    writer.number(writer.actors.len() as u64);
    for index in 0..writer.actors.len() {
        let actor = writer.actors[index];
        writer.out.extend_from_slice(&actor.0);
    }
    writer.number(change.seq);
    writer.signed(change.time.0);
    writer.number(change.dependencies.len() as u64);
    for dependency in &change.dependencies {
        writer.number(writer.index(dependency.actor));
        writer.number(dependency.seq);
    }
    writer.number(change.operations.len() as u64);
    for operation in &change.operations {
        writer.operation(operation, kind, schema_version, change.time);
    }
    writer.out
}

/// Reads an op-list of a document of this kind.
///
/// # Errors
/// [`OpListError`]; nothing is allocated beyond the bounds in `limits`.
pub fn decode(bytes: &[u8], kind: Kind) -> Result<Change, OpListError> {
    if bytes.len() > CHANGE_BYTES_MAX {
        return Err(OpListError::TooLarge("bytes"));
    }
    let mut reader = Reader { bytes };
    let actor_count = reader.count(CHANGE_ACTORS_MAX, "actors")?;
    if actor_count == 0 {
        return Err(OpListError::Invalid("actor table"));
    }
    let mut actors = Vec::with_capacity(actor_count);
    for _ in 0..actor_count {
        let mut actor = [0; 16];
        actor.copy_from_slice(reader.take(16)?);
        actors.push(ActorId(actor));
    }
    let seq = reader.number()?;
    let time = Timestamp(reader.signed()?);
    let dependency_count = reader.count(CHANGE_DEPENDENCIES_MAX, "dependencies")?;
    let mut dependencies = Vec::with_capacity(dependency_count);
    for _ in 0..dependency_count {
        dependencies.push(ChangeId {
            actor: reader.actor(&actors)?,
            seq: reader.number()?,
        });
    }
    dependencies.sort_unstable();
    let operation_count = reader.count(CHANGE_OPERATIONS_MAX, "operations")?;
    // An operation takes at least three bytes.
    let mut operations = Vec::with_capacity(operation_count.min(reader.bytes.len() / 3 + 1));
    for _ in 0..operation_count {
        operations.push(reader.operation(kind, &actors, time)?);
    }
    if !reader.bytes.is_empty() {
        return Err(OpListError::Trailing);
    }
    Ok(Change {
        actor: actors[0],
        seq,
        dependencies,
        time,
        operations,
    })
}

struct Writer {
    out: Vec<u8>,
    actors: Vec<ActorId>,
}

impl Writer {
    fn collect_actors(&mut self, change: &Change) {
        self.actors.push(change.actor);
        let mut others: Vec<ActorId> = change.dependencies.iter().map(|dependency| dependency.actor).collect();
        for operation in &change.operations {
            for reference in operation.predecessors.iter().chain(&operation.object) {
                if let OpRef::Known(id) = reference {
                    others.push(id.actor);
                }
            }
        }
        others.sort_unstable();
        others.dedup();
        self.actors
            .extend(others.into_iter().filter(|actor| *actor != change.actor));
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.out.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }

    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn index(&self, actor: ActorId) -> u64 {
        self.actors.iter().position(|known| *known == actor).unwrap_or_default() as u64
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    fn operation(&mut self, operation: &Op, kind: Kind, schema_version: u16, time: Timestamp) {
        let action = match operation.action {
            Action::MakeMap => 0,
            Action::Put(_) => 1,
            Action::Delete => 2,
        };
        let object = match operation.object {
            None => 0,
            Some(OpRef::Local(_)) => 1,
            Some(OpRef::Known(_)) => 2,
        };
        let predecessors = operation.predecessors.len();
        self.out.push(action | object << 2 | (predecessors.min(15) as u8) << 4);
        match operation.object {
            None => {}
            Some(OpRef::Local(index)) => self.number(u64::from(index)),
            Some(OpRef::Known(id)) => {
                self.number(self.index(id.actor));
                self.number(id.counter);
            }
        }
        let known = kind.field(&operation.key);
        match known.filter(|field| operation.object.is_none() && field.since <= schema_version) {
            Some(field) => self.number(u64::from(field.number)),
            None => {
                self.number(0);
                self.text(&operation.key);
            }
        }
        if predecessors >= 15 {
            self.number((predecessors - 15) as u64);
        }
        for predecessor in &operation.predecessors {
            match predecessor {
                OpRef::Local(index) => {
                    self.number(0);
                    self.number(u64::from(*index));
                }
                OpRef::Known(id) => {
                    self.number(self.index(id.actor) + 1);
                    self.number(id.counter);
                }
            }
        }
        if let Action::Put(value) = &operation.action {
            self.value(value, time);
        }
    }

    fn value(&mut self, value: &Value, time: Timestamp) {
        match value {
            Value::Null => self.out.push(0),
            Value::Bool(false) => self.out.push(1),
            Value::Bool(true) => self.out.push(2),
            Value::Int(number) => {
                self.out.push(3);
                self.signed(*number);
            }
            Value::Uint(number) => {
                self.out.push(4);
                self.number(*number);
            }
            Value::F64(number) => {
                self.out.push(5);
                self.out.extend_from_slice(&number.to_bits().to_le_bytes());
            }
            Value::Str(text) => {
                self.out.push(6);
                self.text(text);
            }
            Value::Bytes(bytes) => {
                self.out.push(7);
                self.number(bytes.len() as u64);
                self.out.extend_from_slice(bytes);
            }
            Value::Timestamp(instant) => {
                self.out.push(8);
                self.signed(instant.wrapping_sub(time.0));
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], OpListError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(OpListError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, OpListError> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u64, OpListError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(OpListError::Invalid("number"));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(OpListError::Invalid("number"))
    }

    fn signed(&mut self) -> Result<i64, OpListError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn count(&mut self, max: usize, what: &'static str) -> Result<usize, OpListError> {
        let count = usize::try_from(self.number()?).map_err(|_| OpListError::TooLarge(what))?;
        if count > max {
            Err(OpListError::TooLarge(what))
        } else {
            Ok(count)
        }
    }

    fn actor(&mut self, actors: &[ActorId]) -> Result<ActorId, OpListError> {
        let index = self.number()?;
        actor_at(actors, index)
    }

    fn text(&mut self, bytes_max: usize) -> Result<String, OpListError> {
        let length = self.count(bytes_max, "text")?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| OpListError::Invalid("text"))
    }

    fn local(&mut self) -> Result<OpRef, OpListError> {
        u32::try_from(self.number()?)
            .map(OpRef::Local)
            .map_err(|_| OpListError::Invalid("index"))
    }

    fn operation(&mut self, kind: Kind, actors: &[ActorId], time: Timestamp) -> Result<Op, OpListError> {
        let head = self.byte()?;
        let object = match head >> 2 & 3 {
            0 => None,
            1 => Some(self.local()?),
            2 => Some(OpRef::Known(OpId {
                actor: self.actor(actors)?,
                counter: self.number()?,
            })),
            _ => return Err(OpListError::Invalid("object")),
        };
        let key = match self.number()? {
            0 => self.text(KEY_BYTES_MAX)?,
            number if object.is_none() => kind
                .field_by_number(number)
                .ok_or(OpListError::Invalid("field number"))?
                .key
                .to_owned(),
            _ => return Err(OpListError::Invalid("field number")),
        };
        let mut count = usize::from(head >> 4);
        if count == 15 {
            count += self.count(PREDECESSORS_MAX - 15, "predecessors")?;
        }
        let mut predecessors = Vec::with_capacity(count);
        for _ in 0..count {
            predecessors.push(match self.number()? {
                0 => self.local()?,
                index => OpRef::Known(OpId {
                    actor: actor_at(actors, index - 1)?,
                    counter: self.number()?,
                }),
            });
        }
        let action = match head & 3 {
            0 => Action::MakeMap,
            1 => Action::Put(self.value(time)?),
            2 => Action::Delete,
            _ => return Err(OpListError::Invalid("action")),
        };
        Ok(Op {
            action,
            object,
            key,
            predecessors,
        })
    }

    fn value(&mut self, time: Timestamp) -> Result<Value, OpListError> {
        Ok(match self.byte()? {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => Value::Int(self.signed()?),
            4 => Value::Uint(self.number()?),
            5 => {
                let mut bits = [0; 8];
                bits.copy_from_slice(self.take(8)?);
                Value::F64(f64::from_bits(u64::from_le_bytes(bits)))
            }
            6 => Value::Str(self.text(TEXT_BYTES_MAX)?),
            7 => {
                let length = self.count(SCALAR_BYTES_MAX, "bytes")?;
                Value::Bytes(self.take(length)?.to_vec())
            }
            8 => Value::Timestamp(self.signed()?.wrapping_add(time.0)),
            _ => return Err(OpListError::Invalid("value")),
        })
    }
}

fn actor_at(actors: &[ActorId], index: u64) -> Result<ActorId, OpListError> {
    usize::try_from(index)
        .ok()
        .and_then(|index| actors.get(index).copied())
        .ok_or(OpListError::Invalid("actor index"))
}
