#![deny(warnings)]
#![forbid(unsafe_code)]

// The SDK is the only dependency, and nothing is imported.
struct Executor;

#[wasm_flow_sdk::executor]
impl Executor {
    async fn new(
        setup: wasm_flow_sdk::Setup,
        config: wasm_flow_sdk::Map,
    ) -> wasm_flow_sdk::Result<Self> {
        let _ = (setup, config);
        Ok(Executor)
    }

    #[wasm_flow_sdk::requests(on = ["/a", "/b"],)]
    pub async fn a(
        &self,
        docs: &mut wasm_flow_sdk::DocumentArray,
        _: &wasm_flow_sdk::Context,
        wasm_flow_sdk::Parameters(map): wasm_flow_sdk::Parameters,
    ) -> Result<wasm_flow_sdk::Json, std::num::ParseIntError> {
        docs.clear();
        Ok(map.into())
    }

    #[wasm_flow_sdk::requests()]
    pub fn b(&mut self, matrix: &wasm_flow_sdk::DocsMatrix) -> () {
        let _ = matrix;
    }

    #[wasm_flow_sdk::requests(on = [])]
    pub(crate) fn c(self: &Self, docs: wasm_flow_sdk::DocumentArray) -> wasm_flow_sdk::DocumentArray {
        docs
    }

    #[wasm_flow_sdk::stop]
    pub async fn end(&mut self) -> Result<(), std::fmt::Error> {
        Ok(())
    }

    pub const LIMIT: u32 = 1;

    pub fn plain<T>(value: T) -> T {
        value
    }
}

// Methods that are compiled conditionally may replace each other.
#[derive(Default)]
struct Conditional(bool);

#[wasm_flow_sdk::executor]
impl Conditional {
    #[cfg(all())]
    #[wasm_flow_sdk::requests(on = "/a")]
    fn a(&self, docs: &mut wasm_flow_sdk::DocumentArray) {
        docs.clear();
    }

    #[cfg(not(all()))]
    #[wasm_flow_sdk::requests(on = "/a")]
    fn other_a(&self) {}

    #[cfg(not(all()))]
    #[wasm_flow_sdk::stop]
    fn other_end(&self) {}

    #[cfg(all())]
    #[wasm_flow_sdk::stop]
    fn end(&mut self) {
        self.0 = true;
    }
}

// Types may have aliases.
type Docs = wasm_flow_sdk::DocumentArray;
type Reply = wasm_flow_sdk::Result<Docs>;
type Any = wasm_flow_sdk::Parameters;

#[derive(Default)]
struct Aliases;

#[wasm_flow_sdk::executor]
impl Aliases {
    #[wasm_flow_sdk::requests(on = "/lent")]
    fn lent(&self, docs: &mut Docs, any: &Any) {
        docs.truncate(any.len());
    }

    #[wasm_flow_sdk::requests(on = "/owned")]
    fn owned(&self, mut docs: Docs, any: Any) -> Reply {
        docs.truncate(any.len());
        Ok(docs)
    }

    #[wasm_flow_sdk::requests(on = "/twice")]
    fn twice(&self, one: &mut Docs, two: &wasm_flow_sdk::DocumentArray) {
        one.truncate(two.len());
    }
}

// The author may use names of the standard library and of the SDK.
#[allow(non_camel_case_types, dead_code)]
mod shadows {
    pub struct Result;
    pub struct Option;
    pub struct String;
    pub struct Vec;
    pub struct Ok;
    pub struct Default;
    pub struct Future;

    pub struct Shadowing;

    #[wasm_flow_sdk::executor]
    impl Shadowing {
        fn new() -> Self {
            Shadowing
        }

        #[wasm_flow_sdk::requests]
        async fn call(&self, docs: &mut wasm_flow_sdk::DocumentArray) {
            docs.truncate(1);
        }
    }

    #[wasm_flow_sdk::data]
    pub struct Config {
        pub field: u32,
        pub list: std::vec::Vec<std::option::Option<u8>>,
    }
}

fn main() {
    let executor = wasm_flow_sdk::testing::TestExecutor::<Executor>::start(
        wasm_flow_sdk::json!({ "any": 1 }),
    )
    .unwrap();
    assert!(executor.post("/a", ["x"]).unwrap().docs.is_empty());
    assert_eq!(executor.post("/c", ["x"]).unwrap().docs.len(), 1);
    let conditional = wasm_flow_sdk::testing::TestExecutor::of(Conditional(false));
    assert!(conditional.post("/a", ["x"]).unwrap().docs.is_empty());
    assert!(conditional.stop().unwrap().0);
    let aliases = wasm_flow_sdk::testing::TestExecutor::of(Aliases);
    assert!(aliases.post("/lent", ["x"]).unwrap().docs.is_empty());
    assert!(aliases.post("/owned", ["x"]).unwrap().docs.is_empty());
    assert_eq!(
        aliases.post("/twice", ["x"]).unwrap_err().message(),
        "the handler takes the request's documents twice"
    );
    assert_eq!(Executor::plain(Executor::LIMIT), 1);
}
