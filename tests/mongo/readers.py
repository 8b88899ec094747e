"""Looks at a database of runs as others do, and prints what it sees as one JSON object.

Usage: readers.py URL shapes DB FOLDER   runs a small experiment of Sacred's in DB, and prints the shapes of all documents
       readers.py URL incense DB ID      what incense sees of a run, and pymongo of its files
       readers.py URL user DB NAME PASSWORD   makes a user
"""

import hashlib
import json
import logging
import math
import sys
from pathlib import Path

import gridfs
import pymongo


def shape(value):
    """Nested names with BSON's types; lists by their first element."""
    if isinstance(value, dict):
        return {key: shape(field) for key, field in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def shapes(url, name, folder):
    from sacred import Experiment
    from sacred.observers import MongoObserver

    logging.disable(logging.CRITICAL)
    artifact = Path(folder) / "table.csv"
    artifact.write_text("a,b\n1,2\n")
    experiment = Experiment("sacreds", save_git_info=False)
    experiment.observers.append(MongoObserver(url=url, db_name=name))
    experiment.add_config({"seed": 3, "sampler": {"gamma": 2.5}})

    @experiment.main
    def main(_run):
        for step in range(3):
            _run.log_scalar("llc", step / 2, step)
        _run.info["report"] = {"verdict": "good"}
        _run.add_artifact(artifact)
        return 0.5

    run = experiment.run(options={"--comment": "a remark"})
    database = pymongo.MongoClient(url)[name]
    found = {"sacred": {}, "llc": {}}
    for document in database.runs.find():
        of = found["sacred" if document["_id"] == run._id else "llc"]
        of["runs"] = shape(document)
        of["metrics"] = shape(database.metrics.find_one({"run_id": document["_id"], "name": "llc"}))
        file = database["fs.files"].find_one({"filename": {"$regex": f"^artifact://runs/{document['_id']}/.*csv"}})
        of["files"] = shape(file)
        of["content_type"] = file["contentType"]
        of["chunks"] = shape(database["fs.chunks"].find_one({"files_id": file["_id"]}))
        metrics = document["info"]["metrics"]
        of["metric_ids"] = [str(database.metrics.find_one({"run_id": document["_id"], "name": m["name"]})["_id"]) == m["id"] for m in metrics]
    found["indexes"] = {
        collection: {str(index["key"]): index.get("unique", False) for index in database[collection].index_information().values()}
        for collection in ["fs.files", "fs.chunks", "metrics"]
    }
    return found


def incense(url, name, id):
    from incense import ExperimentLoader

    loader = ExperimentLoader(mongo_uri=url, db_name=name)
    run = loader.find_by_id(int(id))
    files = gridfs.GridFS(pymongo.MongoClient(url)[name])
    links = run.to_dict()["artifacts"]
    return {
        "status": run.status,
        "result": run.result,
        "seed": run.config.seed,
        "gamma": run.config.sampler.gamma,
        "name": run.experiment.name,
        "captured_out": run.captured_out,
        "verdict": run.info["report"]["verdict"],
        "metrics": {
            metric: {"steps": series.index.tolist(), "values": [None if math.isnan(v) else v for v in series.tolist()]}
            for metric, series in run.metrics.items()
        },
        "artifacts": {name: type(artifact).__name__ for name, artifact in run.artifacts.items()},
        "md5": {link["name"]: hashlib.md5(files.get(link["file_id"]).read()).hexdigest() for link in links},
        "all": sorted(experiment.id for experiment in loader.find_all()),
        "by_name": sorted(experiment.id for experiment in loader.find_by_name("synth")),
        "latest": loader.find_latest().id,
    }


def user(url, name, user, password):
    pymongo.MongoClient(url)["admin"].command("createUser", user, pwd=password, roles=["root"])
    return {}


if __name__ == "__main__":
    url, command, *arguments = sys.argv[1:]
    print(json.dumps({"shapes": shapes, "incense": incense, "user": user}[command](url, *arguments)))
