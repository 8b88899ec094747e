//! Stores files in GridFS and reads them back, each under an id that follows from its content, so that storing one twice changes nothing.
//!
//! The chunks come first, the document of the file last: a file that is there is there whole. The driver's own GridFS can't
//! set `contentType`, which readers look at, makes its indexes only for large files, and takes no second attempt.
//!
//! *Reference*: the GridFS specification, github.com/mongodb/specifications.

use std::io::{self, Read};
use std::path::Path;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, doc};

use super::bson::whole;
use super::database::{Database, integer};
use super::error::MongoError;

/// Bytes of a chunk, as every driver has it.
const CHUNK_BYTES: u32 = 255 * 1024;

impl Database {
    /// Stores what `content` reads, from `path`, as the file `id` called `name`, unless it is there.
    pub(super) fn store(
        &self,
        id: ObjectId,
        name: &str,
        content: &mut dyn Read,
        path: &Path,
    ) -> Result<(), MongoError> {
        if self.answer(self.files.find_one(doc! {"_id": id}).projection(doc! {"_id": 1}).run())?.is_some() {
            return Ok(());
        }
        let mut length = 0;
        for n in 0_i64.. {
            let data = chunk(content).map_err(|source| MongoError::io(path, source))?;
            if data.is_empty() {
                break;
            }
            length += data.len() as i64;
            let data = Binary { subtype: BinarySubtype::Generic, bytes: data };
            let place = doc! {"files_id": id, "n": whole(n)};
            self.answer(self.chunks.update_one(place, doc! {"$set": {"data": data}}).upsert(true).run())?;
        }
        let file = doc! {
            "_id": id,
            "filename": name,
            "contentType": content_type(path),
            "metadata": Bson::Null,
            "chunkSize": CHUNK_BYTES as i32,
            "length": Bson::Int64(length),
            "uploadDate": DateTime::now(),
        };
        self.insertion(self.files.insert_one(file).run()).map(drop)
    }

    /// The bytes of the file `id`, which is called `name` if one is missing.
    pub(super) fn content(&self, id: &Bson, name: &str) -> Result<Vec<u8>, MongoError> {
        let file = self.answer(self.files.find_one(doc! {"_id": id}).run())?;
        let length = file.as_ref().and_then(|file| integer(file.get("length")?));
        let chunks = self.chunks.find(doc! {"files_id": id}).sort(doc! {"n": 1});
        let mut bytes = Vec::new();
        for chunk in self.answer(chunks.run())? {
            bytes.extend_from_slice(self.answer(chunk)?.get_binary_generic("data").map_or(&[], Vec::as_slice));
        }
        if length != Some(bytes.len() as i64) {
            return Err(MongoError::problem(&self.address, &format!("the file {name} is incomplete in the database")));
        }
        Ok(bytes)
    }

    /// Removes the files called `name` but that of the id `kept`.
    pub(super) fn remove_others(&self, name: &str, kept: ObjectId) -> Result<(), MongoError> {
        let others = doc! {"filename": name, "_id": {"$ne": kept}};
        for file in self.answer(self.files.find(others).projection(doc! {"_id": 1}).run())? {
            let file = self.answer(file)?;
            let id = file.get("_id").cloned().unwrap_or_default();
            self.answer(self.chunks.delete_many(doc! {"files_id": id.clone()}).run())?;
            self.answer(self.files.delete_one(doc! {"_id": id}).run())?;
        }
        Ok(())
    }
}

/// The next chunk, empty at the end.
fn chunk(content: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.take(u64::from(CHUNK_BYTES)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What Python's `mimetypes` says of the name, which is what Sacred writes.
fn content_type(path: &Path) -> Bson {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" => "text/csv".into(),
        "html" => "text/html".into(),
        "jpeg" | "jpg" => "image/jpeg".into(),
        "json" => "application/json".into(),
        "mp4" => "video/mp4".into(),
        "pdf" => "application/pdf".into(),
        "png" => "image/png".into(),
        "svg" => "image/svg+xml".into(),
        "log" | "txt" => "text/plain".into(),
        "zip" => "application/zip".into(),
        _ => Bson::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_cut_into_chunks_of_one_length_but_the_last() {
        let bytes = vec![7_u8; 2 * CHUNK_BYTES as usize + 5];
        let mut content = bytes.as_slice();
        let lengths: Vec<usize> = (0..4).map(|_| chunk(&mut content).unwrap().len()).collect();
        assert_eq!(lengths, [261_120, 261_120, 5, 0]);
    }

    #[test]
    fn pictures_and_tables_are_what_incense_shows_by_type() {
        let of = |name: &str| content_type(Path::new(name));
        assert_eq!((of("a.PNG"), of("curve.csv"), of("x")), ("image/png".into(), "text/csv".into(), Bson::Null));
    }
}
