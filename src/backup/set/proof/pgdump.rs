//! The custom form of `pg_dump`, followed from part to part: it has no mark at its end, but
//! its table of contents, which comes first, counts the parts with data, and each of these
//! has an end (PostgreSQL, `pg_backup_archiver.c` and `pg_backup_custom.c`).
//!
//! What is remembered does not grow with the dump: of the parts, only their number and the
//! sum of their numbers are compared.

use super::gather::Gather;

/// The oldest version of the form that is followed, of PostgreSQL 8.
const OLDEST: (u8, u8) = (1, 10);
/// The newest one that is known, of PostgreSQL 17 and 18.
const NEWEST: (u8, u8) = (1, 16);
/// Longest name of a database; PostgreSQL has 63 bytes.
const NAME: usize = 256;

/// Why a dump is not known to be complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stopped {
    Incomplete(String),
    Unknown(String),
}

/// One value of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// `PGDMP` and what the sizes of the rest follow from.
    Head,
    Byte(Slot),
    /// A sign, and bytes from the lowest to the highest.
    Int(Slot),
    /// Its length, then itself.
    Text(Slot),
    /// The place of a part, which is not known while it is written into a pipe.
    Place,
    /// The bytes of a name.
    Name(usize),
}

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Nothing,
    Database,
    Entries,
    Id,
    HasData,
    /// One of those that an entry depends on; none ends them.
    Needed,
    PartKind,
    PartId,
    /// Length of a piece of a table; 0 ends it.
    Piece,
    /// Number of a large object; 0 ends them.
    Object,
    /// Length of a piece of a large object.
    ObjectPiece,
}

/// What has been seen of a dump.
#[derive(Debug)]
pub(super) struct Custom {
    version: (u8, u8),
    int: usize,
    place: usize,
    /// What comes next, the first one last.
    next: Vec<Field>,
    gather: Gather,
    database: Option<String>,
    /// Entries of the table of contents that are still to come.
    entries: i64,
    id: i64,
    /// Numbers of parts with data: how many, and their sum.
    wanted: (u64, i64),
    seen: (u64, i64),
    kind: u8,
    stopped: Option<Stopped>,
}

impl Default for Custom {
    fn default() -> Self {
        Custom {
            version: (0, 0),
            int: 0,
            place: 0,
            next: vec![Field::Head],
            gather: Gather::default(),
            database: None,
            entries: 0,
            id: 0,
            wanted: (0, 0),
            seen: (0, 0),
            kind: 0,
            stopped: None,
        }
    }
}

/// Magic text, three bytes of a version, sizes of numbers and of places, and the form.
const HEAD: usize = 11;

impl Custom {
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.stopped.is_none() {
            let Some(field) = self.next.last().copied() else {
                match self.entries {
                    1.. => self.entry(),
                    _ => self.next.push(Field::Byte(Slot::PartKind)),
                }
                continue;
            };
            let wanted = match field {
                Field::Head => HEAD,
                Field::Byte(_) => 1,
                Field::Int(_) | Field::Text(_) => 1 + self.int,
                Field::Place => 1 + self.place,
                Field::Name(length) => length,
            };
            if self.gather.fill(&mut bytes, wanted) {
                self.next.pop();
                self.stopped = self.take(field).err();
                self.gather.buffer.clear();
            }
        }
    }

    fn take(&mut self, field: Field) -> Result<(), Stopped> {
        match field {
            Field::Head => return self.head(),
            Field::Place => {}
            Field::Name(_) => {
                self.database = Some(String::from_utf8_lossy(&self.gather.buffer).into_owned());
            }
            Field::Byte(slot) => {
                let byte = self.gather.buffer[0];
                if slot == Slot::PartKind {
                    self.kind = byte;
                    self.next.push(Field::Int(Slot::PartId));
                    if !matches!(byte, 1 | 3) {
                        return Err(damaged("the kind of a part is unknown"));
                    }
                }
            }
            Field::Text(slot) => {
                let length = self.number()?;
                if slot == Slot::Needed && length >= 0 {
                    self.next.push(Field::Text(Slot::Needed));
                }
                match usize::try_from(length) {
                    Ok(length @ 1..=NAME) if slot == Slot::Database => {
                        self.next.push(Field::Name(length));
                    }
                    Ok(length) => self.gather.skip = length as u64,
                    // There is no text.
                    Err(_) => {}
                }
            }
            Field::Int(slot) => {
                let number = self.number()?;
                return self.number_of(slot, number);
            }
        }
        Ok(())
    }

    fn number_of(&mut self, slot: Slot, number: i64) -> Result<(), Stopped> {
        let length = |number| u64::try_from(number).map_err(|_| damaged("a length is negative"));
        match slot {
            Slot::Entries => self.entries = number,
            Slot::Id => self.id = number,
            Slot::HasData if number != 0 => {
                self.wanted = (self.wanted.0 + 1, self.wanted.1.wrapping_add(self.id));
            }
            Slot::PartId => {
                self.seen = (self.seen.0 + 1, self.seen.1.wrapping_add(number));
                let first = if self.kind == 1 { Slot::Piece } else { Slot::Object };
                self.next.push(Field::Int(first));
            }
            Slot::Piece if number != 0 => {
                self.gather.skip = length(number)?;
                self.next.push(Field::Int(Slot::Piece));
            }
            Slot::Object if number != 0 => {
                self.next.extend([Field::Int(Slot::Object), Field::Int(Slot::ObjectPiece)]);
            }
            Slot::ObjectPiece if number != 0 => {
                self.gather.skip = length(number)?;
                self.next.push(Field::Int(Slot::ObjectPiece));
            }
            _ => {}
        }
        Ok(())
    }

    fn head(&mut self) -> Result<(), Stopped> {
        let [.., major, minor, _, int, place, form] = self.gather.buffer[..] else {
            return Err(damaged("its header is too short"));
        };
        self.version = (major, minor);
        self.int = usize::from(int);
        self.place = usize::from(place);
        if self.version < OLDEST || self.version > NEWEST {
            let message = format!("potluck does not know version {major}.{minor} of its form");
            return Err(Stopped::Unknown(message));
        }
        // 1 is the custom form.
        if form != 1 || !(1..=8).contains(&int) || !(1..=8).contains(&place) {
            return Err(damaged("its header is invalid"));
        }
        let int = Field::Int(Slot::Nothing);
        let compression = if self.version >= (1, 15) { Field::Byte(Slot::Nothing) } else { int };
        let mut fields = vec![compression];
        // When it was made.
        fields.extend([int; 7]);
        fields.push(Field::Text(Slot::Database));
        // Versions of the server and of the program.
        fields.extend([Field::Text(Slot::Nothing); 2]);
        fields.push(Field::Int(Slot::Entries));
        fields.reverse();
        self.next = fields;
        Ok(())
    }

    /// The fields of the next entry.
    fn entry(&mut self) {
        self.entries -= 1;
        let (int, text) = (Field::Int(Slot::Nothing), Field::Text(Slot::Nothing));
        let since = |version: (u8, u8), field: Field| (self.version >= version).then_some(field);
        let mut fields = vec![Field::Int(Slot::Id), Field::Int(Slot::HasData)];
        // Ids of the catalogue, name, kind.
        fields.extend([text; 4]);
        fields.extend(since((1, 11), int));
        // How it is made, removed and filled; schema and table space.
        fields.extend([text; 5]);
        fields.extend(since((1, 14), text));
        fields.extend(since((1, 16), int));
        // Owner, and whether it has object ids.
        fields.extend([text; 2]);
        fields.extend([Field::Text(Slot::Needed), Field::Place]);
        fields.reverse();
        self.next = fields;
    }

    fn number(&self) -> Result<i64, Stopped> {
        let number = i64::try_from(self.gather.number(1));
        let number = number.map_err(|_| damaged("a number is too large"))?;
        let is_negative = self.gather.buffer.first() != Some(&0);
        Ok(if is_negative { -number } else { number })
    }

    /// The database that it holds.
    ///
    /// # Errors
    /// Why it is not complete, or why that is not known.
    pub fn end(self) -> Result<Option<String>, Stopped> {
        if let Some(stopped) = self.stopped {
            return Err(stopped);
        }
        let between = self.next.is_empty() && self.entries <= 0 && self.gather.is_empty();
        if !between {
            return Err(Stopped::Incomplete("it is cut off".into()));
        }
        match self.wanted.0.checked_sub(self.seen.0) {
            Some(0) if self.wanted.1 == self.seen.1 => Ok(self.database),
            Some(missing @ 1..) => {
                let of = self.wanted.0;
                let message = format!("the data of {missing} of its {of} parts is missing");
                Err(Stopped::Incomplete(message))
            }
            _ => Err(damaged("its parts are not those of its table of contents")),
        }
    }
}

fn damaged(reason: &str) -> Stopped {
    Stopped::Incomplete(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a dump as pg_dump does.
    struct Writer {
        version: u8,
        bytes: Vec<u8>,
    }

    impl Writer {
        fn new(version: u8, entries: i64) -> Self {
            let mut writer = Writer { version, bytes: b"PGDMP\x01".to_vec() };
            writer.bytes.extend([version, 0, 4, 8, 1]);
            match version {
                15.. => writer.bytes.push(0),
                _ => writer.int(0),
            }
            (0..7).for_each(|_| writer.int(30));
            ["wiki", "15.8", "15.8"].iter().for_each(|text| writer.text(Some(text)));
            writer.int(entries);
            writer
        }

        fn int(&mut self, number: i64) {
            self.bytes.push(u8::from(number < 0));
            let number = u32::try_from(number.abs()).unwrap();
            self.bytes.extend(number.to_le_bytes());
        }

        fn text(&mut self, text: Option<&str>) {
            self.int(text.map_or(-1, |text| i64::try_from(text.len()).unwrap()));
            self.bytes.extend(text.unwrap_or_default().as_bytes());
        }

        fn entry(&mut self, id: i64, has_data: bool, needs: &[&str]) {
            self.int(id);
            self.int(has_data.into());
            for text in ["1259", "16385", "page", "TABLE"] {
                self.text(Some(text));
            }
            self.int(2);
            for text in [Some("CREATE TABLE page ();"), Some("DROP"), None, Some("public"), None] {
                self.text(text);
            }
            if self.version >= 14 {
                self.text(Some("heap"));
            }
            if self.version >= 16 {
                self.int(114);
            }
            ["wiki", "false"].iter().for_each(|text| self.text(Some(text)));
            needs.iter().for_each(|id| self.text(Some(id)));
            self.text(None);
            self.bytes.push(if has_data { 1 } else { 3 });
            self.bytes.extend([0; 8]);
        }

        fn table(&mut self, id: i64, rows: &[&str]) {
            self.bytes.push(1);
            self.int(id);
            rows.iter().for_each(|row| self.text(Some(row)));
            self.int(0);
        }

        fn objects(&mut self, id: i64, objects: &[&str]) {
            self.bytes.push(3);
            self.int(id);
            for (number, object) in (1..).zip(objects) {
                self.int(number);
                if !object.is_empty() {
                    self.text(Some(object));
                }
                self.int(0);
            }
            self.int(0);
        }
    }

    /// A dump with a table, one without data, and large objects.
    fn dump(version: u8) -> (Vec<u8>, usize) {
        let mut writer = Writer::new(version, 4);
        writer.entry(10, false, &[]);
        writer.entry(300, true, &["10", "2"]);
        writer.entry(11, false, &["10"]);
        writer.entry(12, true, &[]);
        let table_of_contents = writer.bytes.len();
        writer.table(300, &["1\tsoup\n", "2\tPGDMP\n"]);
        writer.objects(12, &["picture", ""]);
        (writer.bytes, table_of_contents)
    }

    fn followed(bytes: &[u8], piece: usize) -> Result<Option<String>, Stopped> {
        let mut custom = Custom::default();
        bytes.chunks(piece).for_each(|piece| custom.push(piece));
        custom.end()
    }

    #[test]
    fn a_dump_is_complete_with_the_end_of_its_last_part() {
        for version in 11..=16 {
            let (whole, table_of_contents) = dump(version);
            for piece in [1, 3, 64, 4096] {
                assert_eq!(followed(&whole, piece), Ok(Some("wiki".into())), "1.{version}");
            }
            // Wherever it is cut off.
            for length in 0..whole.len() {
                let cut = followed(&whole[..length], 4096);
                assert!(
                    matches!(cut, Err(Stopped::Incomplete(_))),
                    "1.{version} {length}: {cut:?}"
                );
            }
            let none = followed(&whole[..table_of_contents], 7).unwrap_err();
            let told = "the data of 2 of its 2 parts is missing";
            assert_eq!(none, Stopped::Incomplete(told.into()), "1.{version}");
        }
    }

    #[test]
    fn a_schema_alone_has_no_parts() {
        let mut writer = Writer::new(14, 1);
        writer.entry(10, false, &["3"]);
        assert_eq!(followed(&writer.bytes, 5), Ok(Some("wiki".into())));
    }

    #[test]
    fn what_is_no_such_dump_is_told() {
        let (whole, _) = dump(14);
        let altered = |at: usize, byte: u8| {
            let mut altered = whole.clone();
            altered[at] = byte;
            followed(&altered, 64)
        };
        for (at, byte, told) in [(6, 17, "version 1.17"), (6, 7, "version 1.7"), (5, 2, "2.14")] {
            let Err(Stopped::Unknown(said)) = altered(at, byte) else { panic!("{told}") };
            assert!(said.contains(told), "{said}");
        }
        // Another form; numbers of no size.
        for (at, byte) in [(10, 3), (8, 0), (9, 200)] {
            assert!(matches!(altered(at, byte), Err(Stopped::Incomplete(_))), "{at}");
        }
        let more = [whole.as_slice(), &[9, 0, 0, 0, 0, 0]].concat();
        assert!(matches!(followed(&more, 64), Err(Stopped::Incomplete(_))));
        let mut writer = Writer::new(14, 1);
        writer.entry(10, true, &[]);
        writer.table(11, &["of another table"]);
        assert!(matches!(followed(&writer.bytes, 64), Err(Stopped::Incomplete(_))));
    }
}
