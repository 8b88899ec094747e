//! Makes the documents of a run's metrics equal to its series: one document a metric, as Sacred keeps them.
//!
//! New points are pushed under the condition that the stored list has the length that is known, so that points sent twice, because
//! the answer to the first time was lost, are there once. A series that does not continue the stored one replaces it.

use std::collections::BTreeMap;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};

use super::bson::whole;
use super::database::{Database, integer};
use super::error::MongoError;
use super::files::Series;

/// What is known to be stored, by metric.
#[derive(Debug, Default)]
pub(super) struct StoredMetrics(BTreeMap<String, Series>);

impl StoredMetrics {
    /// Makes the document `id`, of the metric `name` of the run `run_id`, hold `series`.
    pub(super) fn deliver(
        &mut self,
        database: &Database,
        (run_id, name): (i32, &str),
        id: ObjectId,
        series: &Series,
    ) -> Result<(), MongoError> {
        if !self.0.contains_key(name) {
            let stored = match read(database, id)? {
                Some(stored) => stored,
                None => {
                    let document = document(run_id, name, id, series);
                    let inserted = database.insertion(database.metrics.insert_one(document).run())?;
                    // One that came in between is read at the next attempt.
                    if inserted.is_some() { series.clone() } else { Series::default() }
                }
            };
            self.0.insert(name.to_owned(), stored);
        }
        let stored = &self.0[name];
        if stored.len() == series.len() && stored.begins(series) {
            return Ok(());
        }
        let is_pushed = stored.begins(series) && push(database, id, stored.len(), &series.from(stored.len()))?;
        if !is_pushed {
            let document = document(run_id, name, id, series);
            let replace = database.metrics.replace_one(doc! {"_id": id}, document).upsert(true);
            database.answer(replace.run())?;
        }
        self.0.insert(name.to_owned(), series.clone());
        Ok(())
    }
}

/// Adds `points` to a document of `num_stored`; `false` where it has another number.
fn push(database: &Database, id: ObjectId, num_stored: usize, points: &Series) -> Result<bool, MongoError> {
    let [steps, values, timestamps] = lists(points).map(|list| doc! {"$each": list});
    let filter = doc! {"_id": id, "steps": {"$size": whole(num_stored as i64)}};
    let update = doc! {"$push": {"steps": steps, "values": values, "timestamps": timestamps}};
    Ok(database.answer(database.metrics.update_one(filter, update).run())?.matched_count == 1)
}

fn document(run_id: i32, name: &str, id: ObjectId, series: &Series) -> Document {
    let [steps, values, timestamps] = lists(series);
    doc! {"_id": id, "run_id": run_id, "name": name, "steps": steps, "values": values, "timestamps": timestamps}
}

/// Steps, values and timestamps.
fn lists(series: &Series) -> [Bson; 3] {
    [
        series.steps.iter().map(|&step| whole(step)).collect(),
        series.values.iter().copied().collect(),
        series.timestamps.iter().map(|&at| Bson::DateTime(at)).collect(),
    ]
}

/// The stored series of the document `id`; `None` if there is no such document.
fn read(database: &Database, id: ObjectId) -> Result<Option<Series>, MongoError> {
    Ok(database.answer(database.metrics.find_one(doc! {"_id": id}).run())?.map(|document| stored(&document)))
}

fn stored(document: &Document) -> Series {
    let list = |key: &str| document.get_array(key).map(Vec::as_slice).unwrap_or_default();
    Series {
        steps: list("steps").iter().map(|step| integer(step).unwrap_or(-1)).collect(),
        values: list("values").iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect(),
        timestamps: list("timestamps").iter().map(|at| *at.as_datetime().unwrap_or(&DateTime::MIN)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_stored_in_sacreds_types_and_read_back() {
        let series = Series {
            steps: vec![0, 5],
            values: vec![1.0, f64::INFINITY],
            timestamps: vec![DateTime::from_millis(1), DateTime::from_millis(2)],
        };
        let document = document(3, "llc", ObjectId::new(), &series);
        assert_eq!(document.get("run_id"), Some(&Bson::Int32(3)));
        assert_eq!(document.get_array("steps").unwrap(), &[Bson::Int32(0), Bson::Int32(5)]);
        assert_eq!(stored(&document), series);
    }
}
