"""Speed of the real inference worker against a plain sequential `generate` loop and `transformers serve`.

    python -m benchmarks.generation [--cache DIR] [--max-tokens 64] [--concurrency 1,4,16,32] [--served]
        [--dtype auto,bfloat16]

All get the same prompts (two passages and one earlier exchange each), greedy, in bfloat16 but for the worker,
which is run once for each --dtype; the worker and the
loop (one prompt after the other) the same number of new tokens. `transformers serve` is asked over HTTP, as
it comes and with its continuous batching, and may end a reply earlier: its own count is what it is paid
for. Prints a table and, last, one JSON object. On a shared machine compare the ratios of one run and mind
the load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import torch

from benchmarks.served import served_folder, transformers_server
from bot.types import Exchange, GenerateRequest, Language, Passage
from inference.client import WorkerSupervisor
from inference.generator import identity, model, prompt
from inference.generator.options import EngineOptions, Steering, WorkerOptions

_IDLE_RUNS = 20
_PASSAGES: dict[Language, tuple[tuple[str, str, str], ...]] = {
    "zh": (
        (
            "怎么挂失借记卡？",
            "卡不见了请马上挂失：在手机银行“卡管理—挂失”里点临时挂失，立即生效，5天内找到了可以自己解除。"
            "正式挂失请带身份证到网点，或拨打000-95501转人工。挂失不收费，挂失以后发生的损失不由您承担。",
            "卡丢了怎么办",
        ),
        (
            "补办借记卡要多少钱？",
            "补办借记卡工本费每张10元，7个工作日寄到您留的地址，也可以选到网点领取，同号换卡不影响已绑定的扣款。",
            "那补一张呢，多久能到",
        ),
    ),
    "en": (
        (
            "How do I raise my transfer limit?",
            "You can raise it in the app under Transfer - Limits, up to CNY 200,000 a day, at once; "
            "confirm with your face and the code we text you. For more than that, get a token at a branch "
            "with your ID.",
            "my transfer was refused because of the limit",
        ),
        (
            "When does a transfer to another bank arrive?",
            "Transfers up to CNY 50,000 arrive within seconds around the clock; larger ones by the end "
            "of the business day if they are sent before 16:30, and otherwise on the next business day.",
            "and how long does it take to arrive",
        ),
    ),
}


def requests(count: int, max_tokens: int) -> list[GenerateRequest]:
    """Follow-up questions, alternating language, no two prompts alike."""
    made = []
    for number in range(count):
        language: Language = "zh" if number % 2 == 0 else "en"
        first, second = _PASSAGES[language]
        passages = tuple(
            Passage(id=title, language=language, title=title, text=text) for title, text, _ in (second, first)
        )
        made.append(
            GenerateRequest(
                id=f"{time.monotonic_ns()}-{number}",
                question=f"{second[2]} ({number})",
                language=language,
                passages=passages,
                history=(Exchange(question=first[2], answer=first[1]),),
                max_tokens=max_tokens,
                deadline=600.0,
            )
        )
    return made


def sequential(cache: Path, count: int, max_tokens: int) -> dict[str, float]:
    """Tokens per second of `model.generate`, in this process."""
    loaded = model.load(identity.BASE, cache=cache)
    made = 0
    started = time.perf_counter()
    for request in requests(count, max_tokens):
        ids = loaded.tokenizer.encode(text_of(request), add_special_tokens=False).ids
        tokens = torch.tensor([[loaded.bos_id, *ids]])
        # `min_new_tokens`: as many as the worker is asked for, whatever this untuned model would do.
        out = loaded.network.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            do_sample=False,
            max_new_tokens=max_tokens,
            min_new_tokens=max_tokens,
            pad_token_id=0,
        )
        made += out.shape[1] - tokens.shape[1]
    seconds = time.perf_counter() - started
    return {
        "tokens": made,
        "seconds": seconds,
        "tokens_per_s": made / seconds,
        "prompt_tokens": tokens.shape[1],
    }


async def batched(supervisor: WorkerSupervisor, count: int, max_tokens: int) -> dict[str, float]:
    """Tokens per second of `count` conversations at once, through the worker process."""
    firsts: list[float] = []

    async def one(request: GenerateRequest) -> None:
        begun = time.perf_counter()
        first = 0.0
        async for _ in supervisor.generate(request):
            first = first or time.perf_counter() - begun
        firsts.append(first)

    before = await counted(supervisor)
    started = time.perf_counter()
    await asyncio.gather(*(one(request) for request in requests(count, max_tokens)))
    seconds = time.perf_counter() - started
    made = await counted(supervisor) - before
    return {
        "tokens": made,
        "seconds": seconds,
        "tokens_per_s": made / seconds,
        "first_token_p50_s": statistics.median(firsts),
    }


def text_of(request: GenerateRequest) -> str:
    built = prompt.build(request)
    return built.beginning + built.rest


async def by_server(
    cache: Path, levels: list[int], max_tokens: int, threads: int, *flags: str
) -> dict[str, Any]:
    """Tokens per second of `transformers serve`, asked for plain completions."""
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = served_folder(model.materialise_base(cache), Path(scratch) / "base")
        started = time.perf_counter()
        log = Path(scratch) / "log.txt"
        async with (
            transformers_server(folder, *flags, log=log, threads=threads) as url,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1800)) as session,
        ):
            result["start_s"] = time.perf_counter() - started

            async def one(request: GenerateRequest) -> int:
                body = {"prompt": text_of(request), "max_tokens": request.max_tokens, "temperature": 0.0}
                async with session.post(f"{url}/completions", json=body) as response:
                    reply = await response.json()
                    return int(reply["usage"]["completion_tokens"])

            await one(requests(1, 8)[0])
            for level in levels:
                begun = time.perf_counter()
                made = sum(await asyncio.gather(*(one(request) for request in requests(level, max_tokens))))
                seconds = time.perf_counter() - begun
                result[f"at_{level}"] = {
                    "tokens": made,
                    "seconds": seconds,
                    "tokens_per_s": made / seconds,
                }
    return result


async def counted(supervisor: WorkerSupervisor) -> int:
    """The worker's token count, once its statistics have stopped changing."""
    await asyncio.sleep(0.5)  # two pings at the interval set below
    return supervisor.stats().engine.tokens


async def first_tokens(supervisor: WorkerSupervisor) -> list[float]:
    """Seconds to the first piece, one request at a time."""
    seconds = []
    for request in requests(_IDLE_RUNS, 160):
        started = time.perf_counter()
        reply = supervisor.generate(request)
        await anext(reply)
        seconds.append(time.perf_counter() - started)
        await reply.aclose()
        await asyncio.sleep(0.2)
    return sorted(seconds)


async def serve(cache: Path, levels: list[int], max_tokens: int, threads: int, dtype: str) -> dict[str, Any]:
    from inference.client import SupervisorOptions

    # Replies must run to their limit, or the two sides would do different amounts of work.
    engine = EngineOptions(
        rows=max(levels), steering=Steering(least=max_tokens, no_repeat=0), stop_on_repetition=False
    )
    options = WorkerOptions(cache=str(cache), threads=threads, dtype=dtype, engine=engine)  # type: ignore[arg-type]
    supervisor = WorkerSupervisor(options, SupervisorOptions(ping_every=0.2))
    started = time.perf_counter()
    supervisor.start()
    try:
        await supervisor.wait_ready(300)
        result: dict[str, Any] = {"start_s": time.perf_counter() - started}
        await batched(supervisor, 1, 8)
        for level in levels:
            result[f"at_{level}"] = await batched(supervisor, level, max_tokens)
        seconds = await first_tokens(supervisor)
        result["first_token_p50_s"] = statistics.median(seconds)
        result["first_token_p95_s"] = seconds[round(0.95 * (len(seconds) - 1))]
        result["rss_mib"] = supervisor.stats().rss_bytes / 2**20
        return result
    finally:
        await supervisor.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the inference worker.")
    parser.add_argument("--cache", type=Path, default=Path("var/models"))
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--concurrency", default="1,4,16,32")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--sequential-prompts", type=int, default=4)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--served", action="store_true", help="`transformers serve` beside it")
    options = parser.parse_args()
    levels = [int(level) for level in options.concurrency.split(",")]
    model.materialise_base(options.cache)
    load_before = os.getloadavg()[0]
    torch.set_num_threads(options.threads)
    asked = (options.cache, levels, options.max_tokens, options.threads)
    sides = {f"worker, {dtype}": asyncio.run(serve(*asked, dtype)) for dtype in options.dtype.split(",")}
    workers = dict(sides)
    plain = sequential(options.cache, options.sequential_prompts, options.max_tokens)
    if options.served:
        sides["transformers serve"] = asyncio.run(by_server(*asked))
        sides["… batching"] = asyncio.run(by_server(*asked, "--continuous-batching"))
    print(f"{'':32}tokens/s   ratio")
    print(f"{'sequential generate':32}{plain['tokens_per_s']:8.1f}   1.0")
    for level in levels:
        for name, side in sides.items():
            rate = side[f"at_{level}"]["tokens_per_s"]
            print(f"{f'{name}, {level} at once':32}{rate:8.1f}   {rate / plain['tokens_per_s']:.1f}")
    for name, side in workers.items():
        print(
            f"{name}: first token, idle: p50 {side['first_token_p50_s']:.2f} s, p95 "
            f"{side['first_token_p95_s']:.2f} s; start {side['start_s']:.1f} s, memory {side['rss_mib']:.0f} MiB"
        )
    print(json.dumps({"sequential": plain, **sides, "load": load_before}))


if __name__ == "__main__":
    main()
