use super::*;

fn texts(texts: &[&str]) -> Vec<AddressText> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn shown(text: &str) -> String {
    Address::parse(text).unwrap().to_string()
}

#[test]
fn sacreds_grammar_is_read_with_sacreds_defaults() {
    // Sacred's own option, --mongo_db: what its help lists.
    assert_eq!(shown("llc"), "localhost:27017:llc");
    assert_eq!(shown("llc.tests"), "localhost:27017:llc.tests");
    assert_eq!(shown("db.example.org:27018"), "db.example.org:27018:sacred");
    assert_eq!(shown("127.0.0.1:27017:llc"), "127.0.0.1:27017:llc");
    assert_eq!(shown("[fe80::1]:1:a.b"), "[fe80::1]:1:a.b");
    assert_eq!(Address::parse("h:1:llc.runs").unwrap(), Address::parse("H:1:llc").unwrap());
}

#[test]
fn a_malformed_address_is_refused_with_the_grammar() {
    for text in ["h:llc", "h:1:2:3", "h:99999:llc", ":1:llc", "a b:1:llc", "[::1:1:llc", "h:x:llc"] {
        let error = Address::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("--mongo {text}: ")), "{error}");
    }
    let error = Address::parse("h:llc").unwrap_err().to_string();
    assert!(error.contains("[HOST:PORT:]DB[.COLLECTION]"), "{error}");
    for text in ["h:1:", "", "h:1:a$b", "h:1:llc.", "llc.metrics", "llc.fs.files"] {
        let error = Address::parse(text).unwrap_err().to_string();
        assert!(error.contains("name"), "{text}: {error}");
    }
    assert!(Address::parse("mongodb://h/llc").unwrap_err().to_string().contains("--mongo-url"));
}

#[test]
fn a_url_is_read_with_its_defaults() {
    let url = |url| Address::parse_url(url).unwrap().to_string();
    assert_eq!(url("mongodb://h"), "h:27017:sacred");
    assert_eq!(url("mongodb://h/?tls=true"), "h:27017:sacred");
    assert_eq!(url("mongodb://a:1,b/llc.tests?replicaSet=r"), "a:1,b:27017:llc.tests");
    assert_eq!(url("mongodb://me:p%40ss@[::1]/llc"), "[::1]:27017:llc");
    for wrong in ["h:1:llc", "mongodb://", "mongodb://h:x/llc", "mongodb+srv://h/llc", "mongodb://a@b@h/llc"] {
        assert!(Address::parse_url(wrong).unwrap_err().to_string().starts_with("--mongo-url: "), "{wrong}");
    }
}

#[test]
fn no_error_and_no_form_of_an_address_shows_a_password() {
    for wrong in
        ["mongodb://me:geheim@h:x/llc", "mongodb://me:ge/heim@h/llc", "mongodb://me:geheim@h/l lc", "me:geheim@h:1:llc"]
    {
        for error in [Address::parse(wrong).err(), Address::parse_url(wrong).err()].into_iter().flatten() {
            assert!(!format!("{error} {error:?}").contains("heim"), "{error} {error:?}");
        }
    }
    let url = "mongodb://me:geheim@h/llc?authSource=admin&tlsCertificateKeyFilePassword=geheim&appName=geheim";
    let address = Address::parse_url(url).unwrap();
    assert_eq!(address.public_url(), "mongodb://h:27017/llc.runs?authSource=admin");
    assert!(!format!("{address} {address:?} {}", address.public_url()).contains("heim"));
    assert!(!format!("{:?}", texts(&[url])).contains("heim"));
    assert!(address.secret_url().contains("me:geheim@h:27017/llc?authSource=admin&tls"));
    assert_eq!(Address::parse_url("mongodb://me:p%40ss@h").unwrap().secrets(), ["me", "p@ss", "me", "p%40ss"]);
}

#[test]
fn the_public_url_names_the_same_place() {
    for text in ["llc", "a:1:b.c", "[::1]:5:x"] {
        let address = Address::parse(text).unwrap();
        assert_eq!(Address::parse_url(&address.public_url()).unwrap(), address);
    }
}

#[test]
fn the_environment_gives_users_and_where_nothing_is_given_the_url() {
    let variable = |name: &str| match name {
        URL_VARIABLE => Some("mongodb://h/llc".to_owned()),
        USER_VARIABLE => Some("m@e".to_owned()),
        PASSWORD_VARIABLE => Some("p:w".to_owned()),
        _ => None,
    };
    let found = addresses(&[], &[], variable).unwrap();
    assert_eq!(found[0].secret_url(), "mongodb://m%40e:p%3Aw@h:27017/llc?authSource=llc");
    let found = addresses(&texts(&["x:1:y"]), &texts(&["mongodb://a:b@h/llc"]), variable).unwrap();
    assert_eq!(found[0].secret_url(), "mongodb://m%40e:p%3Aw@x:1/y?authSource=admin");
    assert_eq!(found[1].secret_url(), "mongodb://a:b@h:27017/llc");
    assert_eq!(addresses(&[], &[], |_| None).unwrap(), []);
    let remembered = Address::parse_url("mongodb://h:27017/llc.runs?authSource=admin").unwrap();
    let secret = remembered.clone().authorised(variable).secret_url();
    assert_eq!(secret, "mongodb://h:27017/llc", "the URL of the environment names the same place");
    let secret = remembered.authorised(|name| (name != URL_VARIABLE).then(|| variable(name)).flatten()).secret_url();
    assert_eq!(secret, "mongodb://m%40e:p%3Aw@h:27017/llc?authSource=admin");
    let twice = addresses(&texts(&["h:27017:llc"]), &texts(&["mongodb://h/llc"]), |_| None).unwrap_err();
    assert!(twice.to_string().contains("the same as another"), "{twice}");
    let broken = addresses(&[], &[], |name| (name == URL_VARIABLE).then(|| "mongodb://a:b@@".to_owned()));
    assert!(broken.unwrap_err().to_string().starts_with("LLC_MONGO_URL: "));
}
