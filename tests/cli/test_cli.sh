#!/bin/sh
# The command from outside: output, exit codes, help. usage: test_cli.sh HASTEN PROJECT
hasten=$1
export HASTEN_MODELS=$2/models
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
bad=0
count=0

# expect WHAT CODE PATTERN COMMAND…: the exit code, and a line of standard output or error that matches.
expect() {
    what=$1 code=$2 pattern=$3
    shift 3
    count=$((count + 1))
    "$@" >out 2>err </dev/null
    got=$?
    if [ "$got" != "$code" ]; then
        echo "FAILED $what: exit code $got, not $code"; cut -c1-300 out err; bad=$((bad + 1))
    elif [ -n "$pattern" ] && ! cat out err | grep -q -- "$pattern"; then
        echo "FAILED $what: nothing matches '$pattern'"; cut -c1-300 out err; bad=$((bad + 1))
    fi
}

# expect_input WHAT INPUT PATTERN COMMAND…: the same with standard input, exit code 0.
expect_input() {
    what=$1 input=$2 pattern=$3
    shift 3
    count=$((count + 1))
    if ! printf "$input" | "$@" >out 2>err || ! { tr '\n' '|' <out; echo; } | grep -q -- "$pattern"; then
        echo "FAILED $what: nothing matches '$pattern'"; cut -c1-300 out err; bad=$((bad + 1))
    fi
}

expect "no command" 2 "usage: hasten" "$hasten"
expect "help" 0 "usage: hasten" "$hasten" --help
expect "help, the command" 0 "^HASTEN_LOG=LEVEL" "$hasten" help
expect "help of a command" 0 "usage: hasten run" "$hasten" help run
for what in --help "help run" "run --help" --version "list ops"; do
    expect "$what on a full disk" 1 "could not be written" sh -c "'$hasten' $what >/dev/full"
done
expect "version" 0 "^hasten [0-9]" "$hasten" --version
expect "unknown command" 2 "no command 'walk'" "$hasten" walk
for command in run compile export inspect tokenize bench list explain verify; do
    expect "$command --help" 0 "usage: hasten $command" "$hasten" "$command" --help
    lines=$("$hasten" "$command" --help | wc -l)
    columns=$("$hasten" "$command" --help | wc -L)
    if [ "$lines" -gt 30 ] || [ "$columns" -gt 120 ]; then
        echo "FAILED $command --help is $lines × $columns"; bad=$((bad + 1))
    fi
    expect "$command with a wrong option" 2 "see .hasten $command --help" "$hasten" "$command" --no-such-option
done

reference="I am learning how to accelerate the inference of a language model using Huggingface's Optimum. I am thinking if it can bring some performance gain. I hope it does."
expect "the reference sentence" 0 '"POSITIVE", "score": 0.9233' "$hasten" run "$reference"
expect "table" 0 "^NEGATIVE  *0.9[0-9]*  A dull" "$hasten" run --format table "A dull and lifeless film."
expect "top-k" 0 '^\[{"label".*NEGATIVE' "$hasten" run --top-k all "A fine film."
expect "threads" 0 '"POSITIVE", "score": 0.9233' "$hasten" run --threads 1 "$reference"
expect "a text that is too long" 0 "warning: 1 of 2 texts are longer than 512 tokens: the rest was cut off" "$hasten" run "$(seq 1 600)" "A fine film."
expect "one that fits" 0 '"label"' "$hasten" run "$(seq 1 200)"
if grep -q warning err; then echo "FAILED one that fits: a warning"; bad=$((bad + 1)); fi
expect "wrong number" 2 "'zero' is no value of --threads" "$hasten" run --threads zero "x"
expect "no value" 2 "run: --threads needs a value" "$hasten" run x --threads
expect "a value too many" 2 "tokenize: --ids takes no value" "$hasten" tokenize --ids=3 x
expect "wrong letter" 2 "run: '-x' is no option" "$hasten" run -xm model y
expect "wrong device" 1 "no execution provider .abacus." "$hasten" run --device abacus "x"
expect "unknown task" 1 "there is no task 'poetry'" "$hasten" run --task poetry "x"
expect "missing model" 1 "no-such-model" "$hasten" run -m no-such-model "x"
expect "features" 0 "^\[\[" "$hasten" run --task feature-extraction "x"
expect_input "lines" 'A fine film.\nA dull, lifeless film.\n' 'POSITIVE.*|.*NEGATIVE.*|$' "$hasten" run -
expect_input "an empty line" 'A fine film.\n\nAwful.\n' 'POSITIVE.*|.*|.*NEGATIVE' "$hasten" run -
expect_input "JSON Lines" '{"text": "A fine film."}\n\n{"text": "Awful."}\n' '^[^|]*POSITIVE[^|]*|[^|]*NEGATIVE[^|]*|$' "$hasten" run -
expect_input "CSV" 'id,text\n1,"A fine, fine film."\n2,"Awful, ""dull""\nand long."\n' '^[^|]*POSITIVE[^|]*|[^|]*NEGATIVE[^|]*|$' "$hasten" run -
expect_input "a named column" 'review,stars\nAwful.,1\n' '^[^|]*NEGATIVE[^|]*|$' "$hasten" run --input csv --column review -
expect_input "no input" '' '^$' "$hasten" run -
printf '{"text": 3}\n' >wrong.jsonl
expect "wrong JSON" 1 'line 1 has no string "text"' sh -c "'$hasten' run --input jsonl - <wrong.jsonl"

expect "tokens" 0 '"tokens": \["\[CLS\]", "hello"' "$hasten" tokenize --json "Hello there"
expect "ids" 0 '^[0-9 ]*$' "$hasten" tokenize --ids "Hello there"
expect "list ops" 0 "LayerNormalization" "$hasten" list ops
expect "list kernels" 0 "gemm_f32" "$hasten" list kernels
expect "list chosen kernels" 0 '"chosen": true' "$hasten" list kernels --json
expect "list archs" 0 "distilbert" "$hasten" list archs
expect "list tasks" 0 "sentiment-analysis" "$hasten" list tasks
expect "list gaps" 0 "ImageDecoder.*the whole operator" "$hasten" list ops --gaps
expect "list nothing" 2 "say what to list" "$hasten" list
expect "list something else" 2 "no list 'rooms'" "$hasten" list rooms

# Cases: a folder, an archive of it, one whose expectation is wrong, one with a corrected expectation.
archive=$2/tests/cases/onnx.tar.gz
expect "verify" 0 "^2 passed, 0 failed, 0 skipped" "$hasten" verify --match 'test_sequence_insert_at_*' "$archive"
expect "verify optionals" 0 "^4 passed" "$hasten" verify --match 'test_optional_get_element*' "$archive"
expect "verify a known failure" 0 "^test_image_decoder_.*no image format is read" "$hasten" verify --match 'test_image_*' "$archive"
expect "verify gradients" 0 "^2 passed, 0 failed, 0 skipped" "$hasten" verify --match 'test_gradient_of_*' "$archive"
expect "verify nothing" 2 "no case is named" "$hasten" verify --match 'no_such*' "$archive"
expect "verify no archive" 1 "damaged" "$hasten" verify "$2/README.md"
mkdir -p cases && tar xzf "$archive" -C cases node/test_abs node/test_acos
expect "verify a folder" 0 "^test_acos: passed" "$hasten" verify -v cases
cp cases/node/test_abs/test_data_set_0/output_0.pb cases/node/test_acos/test_data_set_0/output_0.pb
expect "verify what is wrong" 1 "test_acos: FAILED.*expected.* of 60 differ" "$hasten" verify cases
expect "verify generously" 0 "2 passed" "$hasten" verify --atol 100 cases
printf '{"corrected": "elsewhere"}' >cases/node/test_acos/data.json
expect "verify what was corrected" 0 "test_acos: known to fail.*elsewhere" "$hasten" verify cases
tar czf cases.tar.gz cases
expect "verify an archive" 0 "1 passed, 0 failed, 1 skipped" "$hasten" verify cases.tar.gz
gzip -dc cases.tar.gz >cases.tar
{ head -c 1000 cases.tar | gzip; tail -c +1001 cases.tar | gzip; head -c 512 /dev/zero; } >members.tar.gz
expect "verify an archive of two members" 0 "1 passed, 0 failed, 1 skipped" "$hasten" verify members.tar.gz
{ cat cases.tar.gz; echo rest; } >rest.tar.gz
expect "verify an archive with more behind it" 1 "damaged or cut" "$hasten" verify rest.tar.gz
cp cases.tar twice.tar && tar rf twice.tar cases/node/test_abs/model.onnx
expect "verify an archive that names a file twice" 1 "holds 'cases/node/test_abs/model.onnx' twice" "$hasten" verify twice.tar
ln -s .. cases/node/back
expect "verify a folder that holds itself" 1 "cases/node/back': a link leads back" "$hasten" verify cases
rm cases/node/back
mkdir cases/closed && chmod 0 cases/closed
if ls cases/closed >closed.txt 2>&1; then
    echo "this user reads any folder: not tested"
else
    expect "verify an unreadable folder" 1 "cases/closed': Permission denied" "$hasten" verify cases
fi
chmod 700 cases/closed && rmdir cases/closed
expect "verify an empty folder" 1 "holds no .onnx file" "$hasten" verify "$2/docs"

model=$HASTEN_MODELS/sentiment
expect "inspect" 0 "input_ids" "$hasten" inspect "$model"
expect "inspect --json" 0 '"operators"' "$hasten" inspect --json "$model"
expect "inspect --dot" 0 "digraph" "$hasten" inspect --dot "$model"
expect "inspect --shapes" 0 "^Gather .*\[batch, sequence, [0-9]*\]$" "$hasten" inspect --shapes "$model"
expect "inspect --shapes --json" 0 '"values"' "$hasten" inspect --shapes --json "$model"
lists=$2/tests/onnx/data/good/lists.onnx
expect "inspect a map" 0 "^ZipMap .* maps: sequence of map of s64 to f32$" "$hasten" inspect --shapes "$lists"
expect "a map as JSON" 0 '"key": "s64"' "$hasten" inspect --shapes --json "$lists"
expect "inspect --html" 0 "<svg" "$hasten" inspect --html "$model"
expect "export" 0 "" "$hasten" export "$model" model.onnx
for file in config.json tokenizer.json tokenizer_config.json vocab.txt; do cp "$model/$file" .; done
expect "run the export" 0 '"POSITIVE", "score": 0.9233' "$hasten" run -m model.onnx "$reference"
expect "export as f32" 0 "" "$hasten" export --dtype fp32 --opset 20 "$model" wide.onnx
expect "run it" 0 '"POSITIVE", "score": 0.9233' "$hasten" run -m wide.onnx "$reference"
expect "export as f16" 0 "" "$hasten" export --dtype fp16 "$model" half.onnx
expect "run it" 0 '"POSITIVE", "score": 0.92' "$hasten" run -m half.onnx "$reference"
expect "opset out of range" 2 "'99' is no value of --opset" "$hasten" export --opset 99 "$model" x.onnx
expect "export into a missing folder" 1 "no/such/folder" "$hasten" export "$model" no/such/folder/x.onnx
head -c 100000 model.onnx >cut.onnx
expect "a cut file" 1 "cut.onnx" "$hasten" inspect cut.onnx
expect "an empty file, called empty" 1 "hasten: empty: the file is empty" sh -c ": >empty; '$hasten' inspect empty"
expect "tokens, of the files beside a model" 0 '"tokens": \["\[CLS\]", "hello"' "$hasten" tokenize --json -m half.onnx "Hello there"
expect "a vocabulary for a model" 1 "vocab.txt: this is text, not a model" "$hasten" inspect "$model/vocab.txt"
expect "no tokenizer in this folder" 1 "hasten: .: no tokenizer" sh -c "mkdir bare && cd bare && mv ../half.onnx . && '$hasten' run -m half.onnx x"
expect "compile" 0 "model.hst: [0-9.]* MB" "$hasten" compile "$model" -o model.hst
mkdir alone && mv model.hst alone
expect "run the engine" 0 '"POSITIVE", "score": 0.9233' "$hasten" run -m alone/model.hst "$reference"
expect "its tokens" 0 '"tokens": \["\[CLS\]", "hello"' "$hasten" tokenize --json -m alone/model.hst "Hello there"
expect "bench it" 0 "load" "$hasten" bench -m alone/model.hst --warmups 1 --runs 3
expect "inspect it" 0 "^format  *engine" "$hasten" inspect alone/model.hst
expect "verify it" 0 "every checksum is right" "$hasten" inspect --verify alone/model.hst
expect "its int8 form is another" 1 "compiled without quantization" "$hasten" run -m alone/model.hst --quantize int8 x
expect "elsewhere" 1 "compile it again" env HST_CPU=scalar "$hasten" run -m alone/model.hst x
expect "compile it again" 1 "a compiled engine already" "$hasten" compile alone/model.hst -o again.hst
expect "a tokenizer nowhere" 1 "nowhere: there is nothing to take along" "$hasten" compile "$model" --tokenizer nowhere -o again.hst
expect "which makes no engine" 1 "" test -e again.hst
for command in "run x -m" "bench --size 1x8 --runs 1 -m" explain; do
    expect "an engine's weights are as they are: $command" 1 "compile it again" "$hasten" $command alone/model.hst --weights f16
    expect "and its products: $command" 1 "compile it again" "$hasten" $command alone/model.hst --quantize int8
done
for command in "inspect" "export x.onnx"; do
    expect "the graph alone is not quantised: $command" 2 "'--quantize' is no option" "$hasten" $command "$model" --quantize int8
done
expect "compile to nowhere" 2 "needs a model and -o FILE" "$hasten" compile "$model"
printf 'x' | dd of=alone/model.hst bs=1 seek=30000000 conv=notrunc 2>/dev/null
expect "damaged weights" 1 "checksum of its section 'weights'" "$hasten" inspect --verify alone/model.hst
expect "compile for a task" 0 "" "$hasten" compile "$model" --task feature-extraction -o features.hst
expect "run that" 0 "^\[\[" "$hasten" run -m features.hst x
expect "bench" 0 "tokens/s" "$hasten" bench --warmups 1 --runs 3
expect "bench --json" 0 '"p99_ms"' "$hasten" bench --warmups 1 --runs 3 --json "A fine film."
expect "bench --size" 0 "8, 32" "$hasten" bench --size 8x32 --warmups 0 --runs 2
expect "bench ragged" 0 "27 tokens" "$hasten" bench --size 6,9,12 --warmups 0 --runs 2
expect "bench --machine" 0 "f32 GFLOP/s" "$hasten" bench --machine
expect "bench --machine --json" 0 '"read_gb_s"' "$hasten" bench --machine --json
expect "padded rows" 0 "27 tokens" "$hasten" bench --size 6,9,12 --padded-rows zero --warmups 0 --runs 2
expect "padded rows, wrong" 2 "'maybe' is no value of --padded-rows" "$hasten" bench --padded-rows maybe

# What would be ignored is refused, with what to write instead.
expect "a size and a text" 2 "'other.onnx' would be ignored; a model is named with -m MODEL" "$hasten" bench other.onnx --size 1x8
expect "serve and a text" 2 "'other.onnx' would be ignored; a model is named with -m MODEL" "$hasten" bench --serve other.onnx
expect "machine and a text" 2 "'x' would be ignored" "$hasten" bench --machine x
expect "a file as text" 2 "would be taken as a text; a model is named with -m" "$hasten" bench model.onnx
expect "a file's name as text" 0 "tokens/s" "$hasten" bench -m "$model" model.onnx --warmups 0 --runs 1
for beside in "-m $model" "--task sentiment-analysis" "--size 1x8" "--runs 3" "--warmups 3" "--profile trace.json" \
    "--quantize int8" "--weights f16" "--padded-rows zero" --serve; do
    name=$(echo "$beside" | sed 's/^-m /--model /; s/ .*//')
    expect "machine and $name" 2 "--machine runs no model, so $name would be ignored" "$hasten" bench --machine $beside
done
for beside in "--task sentiment-analysis" "--size 1x8" "--runs 3" "--warmups 3" "--profile trace.json" --json; do
    expect "serve and ${beside%% *}" 2 "so ${beside%% *} would be ignored" "$hasten" bench --serve $beside
done
expect "a size and a task" 2 "so --task would be ignored" "$hasten" bench --size 1x8 --task sentiment-analysis
expect "padded rows of a text" 2 "goes with --size" "$hasten" bench --padded-rows zero
expect "padded rows of answers" 2 "'--padded-rows' is no option" "$hasten" run --padded-rows zero x
expect "padded rows of an engine" 2 "'--padded-rows' is no option" "$hasten" compile --padded-rows zero "$model" -o x.hst
expect "runs of nothing" 2 "so --runs would be ignored" "$hasten" explain --size none --runs 3 "$model"
expect "threads for nothing" 2 "so --threads would be ignored" "$hasten" explain --size none --threads 1 "$model"
expect "a column of arguments" 2 "--column is about standard input" "$hasten" run --column text x
expect "a format of arguments" 2 "--input is about standard input" "$hasten" run --input csv x
expect "a column of lines" 2 "has no columns" "$hasten" run --input text --column text -
expect_input "a column found" 'review,stars\nAwful.,1\n' '^[^|]*NEGATIVE[^|]*|$' "$hasten" run --column review -
printf 'a fine film\n' >lines.txt
expect "a column of what is none" 1 "nor a CSV header with a column 'review'" sh -c "'$hasten' run --column review - <lines.txt"
expect "top-k of tensors" 1 "--top-k would be ignored" "$hasten" run --task feature-extraction --top-k 2 x
expect "a table of tensors" 1 "--format table would be ignored" "$hasten" run --task feature-extraction --format table x
expect "tokens of both" 2 "do not go together" "$hasten" tokenize - x
expect "two forms of tokens" 2 "give one of them" "$hasten" tokenize --ids --json x
expect "two forms of a graph" 2 "so --html would be ignored" "$hasten" inspect --dot --html "$model"
expect "shapes in a drawing" 2 "so --shapes would be ignored" "$hasten" inspect --html --shapes "$model"
expect "checksums and more" 2 "so --json would be ignored" "$hasten" inspect --verify --json "$model"
expect "gaps of passes" 2 "hasten list ops --gaps" "$hasten" list passes --gaps
expect "models elsewhere" 2 "HASTEN_MODELS is '/nowhere'" env HASTEN_MODELS=/nowhere "$hasten" run x
expect "a level of log that is none" 2 "HASTEN_LOG is 'loud'" env HASTEN_LOG=loud "$hasten" run x
expect_input "bench --serve" '2x8 0.01\nmachine 0.01\nnothing 1\n2x8\n' '"runs":.*|.*"gflops":.*|.*"error":.*no size.*|.*"error":.*|$' "$hasten" bench --serve
expect "bench --profile" 0 "tokens/s" "$hasten" bench --size 2x8 --warmups 0 --runs 2 --profile trace.json
expect "the trace" 0 '"name":"Linear"' head -c 4000 trace.json
expect "a trace nowhere" 1 "cannot be written" "$hasten" bench --size 2x8 --warmups 0 --runs 1 --profile no/such/trace.json
expect "explain" 0 "Linear .*gemm_f32.*%" "$hasten" explain --size 1x8 --runs 2 "$model"
expect "explain, the sum" 0 "of it is reached" "$hasten" explain --size 6,9 --runs 1 --padded-rows zero "$model"
expect "explain, not run" 0 'Linear .*, 1152\]' "$hasten" explain --size none "$model"
expect "explain --json" 0 '"limit_ms"' "$hasten" explain --size 1x8 --runs 1 --json "$model"
expect "explain nothing" 2 "needs one model" "$hasten" explain
expect "explain, wrong size" 2 "no size such as" "$hasten" explain --size 8x "$model"
expect "chosen kernels at a level" 0 'softmax_f32__ref .*yes *yes' env HST_CPU=scalar "$hasten" list kernels
expect "a full disk" 1 "could not be written" sh -c "'$hasten' list ops >/dev/full"

# What is JSON reads as JSON, and the parts add up.
if command -v python3 >/dev/null; then
    "$hasten" explain --size 1x8 --runs 3 --json "$model" >explain.json
    expect "JSON and sums" 0 "^good" python3 -c '
import json
trace = json.load(open("trace.json"))["traceEvents"]
assert len(trace) > 40 and {e["args"]["run"] for e in trace} == {0, 1} and all(e["ph"] == "X" and e["dur"] >= 0 for e in trace)
one = [e for e in trace if e["args"]["run"] == 0]
r = json.load(open("explain.json"))
steps, t = r["steps"], r["timing"]
assert [s["op"] for s in steps if "ms" in s] == [e["name"] for e in one]
assert abs(sum(s.get("share", 0) for s in steps) - 1) < 1e-3
assert abs(sum(s.get("limit_ms", 0) for s in steps) - t["limit_ms"]) < 1e-3
assert 0 < t["limit_ms"] and 0 < t["steps_ms"] and sum(s.get("macs", 0) for s in steps) > 8 * 4 * 3e5
print("good")'
fi

echo "$((count - bad)) of $count passed"
[ "$bad" = 0 ]
