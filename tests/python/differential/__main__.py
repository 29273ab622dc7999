"""The command: `python -m differential --cases 200 --binary wasm-flow --component
twins.wasm`."""

import argparse
import collections
import contextlib
import faulthandler
import json
import os
import secrets
import signal
import sys
import tempfile
import time
import traceback

from google.protobuf import json_format
from jina import excepts as jina_errors
from jina import helper as jina_helper

from . import answers, case, model, sides

# In seconds: a turn in the first attempt, and how long an answer and a whole case may
# take. Turns are longer in each attempt.
TURN = 0.04
LONGER = 2.5
ATTEMPTS = 5
ANSWERS_WITHIN = 60
PATIENCE = 300

DOCS = os.path.join(os.path.dirname(__file__), '..', '..', '..', 'docs', 'flows.md')


class Again(Exception):
    """The real Jina did not do its part: the case is run again, with longer turns."""


def main():
    options = arguments()
    with open(DOCS) as file:
        table = file.read()
    unknown = [row for row in [*model.ROWS, *model.BESIDE] if f'\n| {row} |' not in table]
    if unknown:
        sys.exit(f'rows that the table in docs/flows.md does not have: {unknown}')
    seeds = [options.seed + index for index in range(options.cases)]
    if options.case is not None:
        seeds = [options.case]
    report = Report(options)
    for outcome in outcomes(seeds, options):
        report.take(outcome)
    sys.exit(report.end())


def arguments():
    parser = argparse.ArgumentParser(prog='differential', description=__doc__)
    parser.add_argument('--binary', required=True, help='the program wasm-flow')
    parser.add_argument('--component', required=True, help='the twins as a component')
    parser.add_argument('--cases', type=int, default=200, help='how many cases')
    parser.add_argument('--seed', type=int, help='the first case; without it, any')
    parser.add_argument('--case', type=int, help='this one alone')
    parser.add_argument('--workers', type=int, default=2, help='how many at once')
    parser.add_argument(
        '--complete', action='store_true', help='fail if there is something that no case covers'
    )
    parser.add_argument('--report', help='a file for the report, as JSON')
    options = parser.parse_args()
    if options.seed is None:
        options.seed = secrets.randbelow(10**9)
    return options


# --- many cases


def outcomes(seeds, options):
    """The outcome of each case. Each runs in a process of its own, because Jina's flows
    are forked from the one that starts them, which must not have used gRPC."""
    waiting = collections.deque((seed, 1) for seed in seeds)
    running = {}
    while waiting or running:
        while waiting and len(running) < options.workers:
            taken = {attempt.slot for attempt in running.values()}
            slot = next(slot for slot in range(options.workers) if slot not in taken)
            attempt = Attempt(*waiting.popleft(), slot, options)
            running[attempt.process] = attempt
        process, _ = os.waitpid(-1, os.WNOHANG)
        if process in running:
            attempt = running.pop(process)
            outcome = attempt.outcome()
            if 'again' in outcome and attempt.number < ATTEMPTS:
                print(f'case {attempt.seed}: {outcome["again"]}', file=sys.stderr, flush=True)
                waiting.appendleft((attempt.seed, attempt.number + 1))
            else:
                yield outcome
        elif process == 0:
            for attempt in running.values():
                attempt.end_if_overdue()
            time.sleep(0.02)


class Attempt:
    """A case that runs in a process."""

    def __init__(self, seed, number, slot, options):
        self.seed = seed
        self.number = number
        self.slot = slot
        self.start = time.monotonic()
        self.folder = tempfile.TemporaryDirectory(prefix='differential-')
        self.process = os.fork()
        if self.process == 0:
            self.run(options)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run(self, options):
        """What the process does."""
        os.setpgid(0, 0)
        log = os.open(self.path('log'), os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        faulthandler.register(signal.SIGUSR1)
        # Two of Jina's servers can have one port, and take turns there: each attempt that
        # runs has its own ports.
        first = 10_000 + 2_000 * ((os.getppid() * options.workers + self.slot) % 11)
        os.environ['JINA_RANDOM_PORT_MIN'] = str(first)
        os.environ['JINA_RANDOM_PORT_MAX'] = str(first + 1_999)
        jina_helper.reset_ports()
        try:
            outcome = run(self.seed, self.folder.name, options, TURN * LONGER ** (self.number - 1))
        except Again as again:
            outcome = {'again': str(again)}
        except BaseException:
            outcome = {'failures': [f'case {self.seed}\n{traceback.format_exc()}']}
        with open(self.path('outcome.json'), 'w') as file:
            json.dump(outcome, file)
        os._exit(0)

    def end_if_overdue(self):
        if time.monotonic() - self.start > PATIENCE:
            # Each process says where it is.
            os.killpg(self.process, signal.SIGUSR1)
            time.sleep(1)
            end_group(self.process)

    def outcome(self):
        """What came of it, once the process has ended."""
        end_group(self.process)
        try:
            with open(self.path('outcome.json')) as file:
                outcome = json.load(file)
        except (OSError, ValueError):
            with open(self.path('log')) as log:
                text = f'case {self.seed} ended without an outcome\n{log.read()[-40000:]}'
            outcome = {'failures': [text]}
        if 'again' in outcome:
            outcome.setdefault('failures', [f'case {self.seed}: {outcome["again"]}'])
        outcome |= {'seed': self.seed, 'attempts': self.number}
        outcome['seconds'] = time.monotonic() - self.start
        self.folder.cleanup()
        return outcome


def end_group(leader):
    """Ends what a case may have left."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass


# --- one case


def run(seed, folder, options, turn):
    made = case.make(seed, settled)
    outcome = compare(made, *both_sides(made, folder, options, turn))
    failed = {case.FAILURE} if outcome['counts']['answers that are failures'] else set()
    outcome['covers'] = sorted(made.covers | failed)
    if outcome['failures']:
        outcome['failures'] = [told(made, options, outcome['failures'])]
    return outcome


def both_sides(made, folder, options, turn):
    """The answers of Jina and of wasm-flow, a list for each request."""
    jina, wasm = [], []
    with sides.wasm_flow(made, options.binary, options.component, folder) as port:
        for request in [WARM_UP, *made.requests]:
            with patience(TimeoutError('wasm-flow does not answer')):
                wasm.append(sides.post(port, request))
    with patience(Again('Jina does not start')):
        try:
            port = sides.start_jina(made, turn)
        except jina_errors.RuntimeFailToStart as error:
            raise Again('Jina does not start') from error
    for request in [WARM_UP, *made.requests]:
        with patience(Again('Jina does not answer')):
            sides.begin()
            jina.append(sides.post(port, request))
        if request is not WARM_UP:
            check_order(made, request, jina[-1])
    return jina[1:], wasm[1:]


@contextlib.contextmanager
def patience(error):
    """Raises the error if it takes too long."""

    def late(*_):
        raise error

    signal.signal(signal.SIGALRM, late)
    signal.alarm(ANSWERS_WITHIN)
    try:
        yield
    finally:
        signal.alarm(0)


def check_order(made, request, found):
    """Whether the answers came together in the order that the model has them come in."""
    order = model.order(made, request)
    for answer in found:
        times = {route.executor: route.at for route in answer.routes}
        times[case.GATEWAY] = 0
        ended = {route.executor for route in answer.routes if route.ended}
        for node in made.nodes:
            if node.floating and node.name in ended:
                raise Again(f'{node.name}, which floats, ended before the answer')
            needs = [name for name in order if name in node.needs]
            came = [times[need] for need in needs if need in times]
            if node.name in times and came != sorted(came):
                raise Again(f'{needs} came to {node.name} in another order')


# What the first request finds on Jina depends on the time: see the row about executors
# that bind nothing. So the first one reaches nobody.
WARM_UP = case.Request('/warm-up', case.DocumentArray(), target='nobody at all')


def settled(made, request):
    """Whether it is known what is answered to a request."""
    try:
        for rows in ((), model.ROWS):
            model.answers(made, request, rows)
    except model.Ambiguous:
        return False
    return True


def compare(made, jina, wasm):
    """Whether the answers are the same, or differ as they have to."""
    failures = []
    rows = collections.Counter()
    known = Predictions(made)
    alike = [
        (model.REPLICA, answers.any_replica, {n.name for n in made.nodes if n.replicas > 1}),
        (model.SHARD, answers.any_shard, {n.name for n in made.nodes if n.shards > 1}),
    ]
    same = same_docs = 0
    for number in range(len(made.requests)):
        models = known.of(number, 0), known.of(number, len(model.ROWS))
        sides_of_one = [jina[number], wasm[number], *models]
        if len({len(side) for side in sides_of_one}) > 1:
            lengths = [len(side) for side in sides_of_one]
            failures.append((number, 'numbers of answers (Jina, wasm-flow, the models)', lengths))
            continue
        for message, (one, other, jina_model, wasm_model) in enumerate(zip(*sides_of_one)):
            certain = wasm_model.certain
            whole = one.plain()
            one_plain, other_plain = one.plain(certain), other.plain(certain)
            if whole != one_plain or other.plain() != other_plain:
                rows[model.FAILED_BRANCH] += 1
            for row, numberless, names in alike:
                raw = one_plain, other_plain
                one_plain, other_plain, whole = (
                    numberless(plain, names) for plain in (one_plain, other_plain, whole)
                )
                if answers.differences(*raw) != answers.differences(one_plain, other_plain):
                    rows[row] += 1
            different = answers.differences(one_plain, other_plain)
            wrong_jina = answers.differences(whole, jina_model.plain())
            wrong_wasm = answers.differences(other_plain, wasm_model.plain(certain))
            same_docs += one_plain['docs'] == other_plain['docs']
            if not different:
                same += 1
            else:
                rows.update(known.differing(number, message))
            if wrong_jina or wrong_wasm:
                failures.append((number, message, different, wrong_jina, wrong_wasm))
    counts = {
        'answers that were the same': same,
        'answers with the same documents': same_docs,
        'executors': len(made.nodes),
        'requests': len(made.requests),
        'answers': sum(len(side) for side in jina),
        'answers that are failures': sum(bool(answer.failure) for side in wasm for answer in side),
        'documents in them': sum(
            answers.count(answer.plain()['docs']) for side in jina for answer in side
        ),
    }
    return {'failures': failures, 'rows': rows, 'counts': counts}


class Predictions:
    """What the model says is answered."""

    def __init__(self, made):
        self.made = made
        self.known = {}

    def of(self, number, count):
        """The answers to a request, with the first rows of the table."""
        if (number, count) not in self.known:
            request = self.made.requests[number]
            self.known[number, count] = model.answers(self.made, request, model.ROWS[:count])
        return self.known[number, count]

    def differing(self, number, message):
        """The rows that make a difference to an answer, each with those before it."""

        def plain(count):
            answer = self.of(number, count)[message]
            return answer.plain(answer.certain)

        def between(few, many):
            if plain(few) == plain(many):
                return []
            if many - few == 1:
                return [model.ROWS[few]]
            middle = (few + many) // 2
            return between(few, middle) + between(middle, many)

        return between(0, len(model.ROWS))


# --- what is told


def told(made, options, failures):
    """A failure, as a person can look into it."""
    lines = [f'=== case {made.seed}: {", ".join(sorted(made.covers))}']
    lines.append(f'run it again: --case {made.seed}')
    lines += ['--- flow.toml', sides.flow_toml(made, options.component)]
    lines += ['--- the flow on Jina', sides.jina_source(made)]
    for number, *found in failures:
        request = made.requests[number]
        lines.append(f'--- request {number}: {request.on}, parameters {request.parameters}')
        lines.append(f'target_executor {request.target}, request_size {request.size}, documents:')
        for doc in request.docs.to_protobuf().docs:
            shown = json_format.MessageToDict(doc, preserving_proto_field_name=True)
            lines.append(json.dumps(shown, ensure_ascii=False))
        if len(found) == 2:
            lines.append(f'{found[0]}: {found[1]}')
            continue
        message, different, wrong_jina, wrong_wasm = found
        lines.append(f'message {message}')
        lines += table('Jina and wasm-flow', different)
        lines += table('Jina and what it is expected to answer', wrong_jina)
        lines += table('wasm-flow and what it is expected to answer', wrong_wasm)
    return '\n'.join(lines)


def table(title, different):
    if not different:
        return [f'{title}: the same']
    shown = [f'  {path}: {one!r} | {other!r}' for path, one, other in different[:20]]
    return [f'{title}, {len(different)} differences:', *shown]


class Report:
    """What came of all cases."""

    def __init__(self, options):
        self.options = options
        self.start = time.monotonic()
        self.cases = self.failed = self.repeated = 0
        self.counts = collections.Counter()
        self.covers = collections.Counter()
        self.rows = collections.Counter()

    def take(self, outcome):
        self.cases += 1
        self.failed += bool(outcome['failures'])
        self.repeated += outcome['attempts'] - 1
        self.counts.update(outcome.get('counts', {}))
        self.covers.update(outcome.get('covers', []))
        self.rows.update(outcome.get('rows', {}))
        for failure in outcome['failures']:
            print(failure, flush=True)
        word = 'FAILED' if outcome['failures'] else 'ok'
        seconds = outcome['seconds']
        print(f'case {outcome["seed"]}: {word}, {seconds:.1f} s', file=sys.stderr, flush=True)

    def end(self):
        seconds = time.monotonic() - self.start
        found = {
            'cases': self.cases,
            'failed': self.failed,
            'seed': self.options.seed,
            'seconds': round(seconds, 1),
            **self.counts,
            'attempts that Jina failed': self.repeated,
            'cases by what they cover': dict(self.covers.most_common()),
            'answers by the rows that they differ by': dict(self.rows.most_common()),
        }
        if self.options.report:
            with open(self.options.report, 'w') as file:
                json.dump(found, file)
        print(json.dumps(found, indent=2))
        missing = set(case.MARKS) - set(self.covers)
        if self.options.complete and missing:
            print(f'no case covers: {", ".join(sorted(missing))}; choose another seed')
            return 1
        return 1 if self.failed else 0


if __name__ == '__main__':
    main()
