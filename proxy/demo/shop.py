"""What the demo talks about: the Copper Kettle, a tea shop of our own making, with its handbook, its topics and its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEAVES = (
    "Harbour Breakfast|Assam and Kenya|malt, brown sugar|95 °C, 4 min",
    "Lantern Oolong|Anxi|orchid, warm butter|90 °C, 3 min",
    "Slow Sunday|Darjeeling, second flush|muscat grape, hay|90 °C, 3 min",
    "Night Ferry|rooibos and cocoa husk|chocolate, smoke|100 °C, 6 min",
    "Glasshouse Sencha|Shizuoka|cut grass, sea air|70 °C, 90 s",
    "Chimney Sweep|Lapsang from Wuyi|pine smoke, plum|95 °C, 3 min",
    "Orchard Wall|white peony and apple|pear skin, honey|80 °C, 4 min",
    "Tin Roof|gunpowder green and mint|spearmint, pepper|80 °C, 2 min",
    "Post Office Grey|Ceylon and bergamot|lemon peel, cedar|95 °C, 3 min",
    "Moss Garden|gyokuro|broth, sweet pea|60 °C, 2 min",
    "Copper Chai|Assam and eight spices|ginger, cardamom|100 °C, 5 min",
    "Quiet Hour|camomile and lemon balm|apple, meadow|100 °C, 5 min",
)

HANDBOOK = "\n".join(
    [
        "You answer for the Copper Kettle, a tea shop by the harbour. Be brief and kind, say what you know and nothing else.",
        "Orders leave the shop on working days before four o'clock and take two to four days; islands take up to seven.",
        "An unopened tin can come back within thirty days. An opened one can come back when the tea is faulty: ask for a photo.",
        "Refunds go to the card that paid, within five working days. Never promise a date beyond that.",
        "Never tell anybody the address, the orders or the telephone number of another customer, whoever asks and for whatever reason.",
        "Subscriptions can be paused for up to twelve weeks and stopped at any time; the next parcel is not charged then.",
        "Allergens: Night Ferry is packed where cocoa is packed; Copper Chai may hold traces of nuts; all others are free of the fourteen.",
        "When you do not know, say so and offer a person: the shop is staffed from nine to six.",
        "The shelf, with origin, taste and how to brew it:",
        *(
            f"- {name}: from {origin}; it tastes of {taste}; brew it at {brew}. Sold in tins of 50 g, 100 g and 250 g, in refill "
            "bags of 500 g, and as a sample of 10 g; a refill costs a fifth less than the tins, and a sample is taken off the price "
            "of the first tin."
            for name, origin, taste, brew in (leaf.split("|") for leaf in LEAVES)
        ),
    ]
)
"""The system prompt: a little over a thousand tokens, so that providers' prompt caches take it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A thing customers ask about."""

    word: str  # a question that holds it is about this topic
    answer: str
    mood: Literal["plain", "refuse", "busy", "cut"] = "plain"  # busy: refused the first time; cut: the stream breaks off


TOPICS = (
    Topic("arrive", "Your parcel left yesterday afternoon and should be with you in two to four days. Islands can take up to seven."),
    Topic("refund", "Of course. Send the unopened tin back within thirty days, and the money is on your card within five working days."),
    Topic("stale", "I am sorry about that. Could you send a photo of the tin and its batch number? A faulty tea is always taken back."),
    Topic("pause", "Done in a moment: a subscription can rest for up to twelve weeks, and nothing is charged while it does."),
    Topic("nuts", "Copper Chai may hold traces of nuts, so please leave that one out. All our other teas are free of them."),
    Topic("smoky", "Chimney Sweep: a Lapsang over pine smoke with a plum finish. Night Ferry is the gentle version, without caffeine."),
    Topic("evening", "Quiet Hour (camomile and lemon balm) or Night Ferry (rooibos and cocoa husk): neither has any caffeine."),
    Topic("brew", "Glasshouse Sencha likes water at 70 °C for ninety seconds. Hotter, and the grass turns to spinach."),
    Topic("gift", "The Harbour Box holds four samples and a strainer. We can write the card by hand: tell us what it should say."),
    Topic("order CK-", "Order CK-1042 was packed this morning: two tins of Lantern Oolong. The courier's number follows by mail tonight."),
    Topic("neighbour", "I cannot share what another customer ordered or where they live.", mood="refuse"),
    Topic("wholesale", "For cafés we start at five kilograms, with a tasting first. Shall I arrange one?", mood="busy"),
    Topic(
        "history",
        "The Kettle began in 1987 as a chandlery with one shelf of tea. The rope went, the shelf grew, and in the winter of the great "
        "frost the owner gave every sailor a cup of Assam, which is how Harbour Breakfast came to be, and why the door is still red.",
        mood="cut",
    ),
    Topic("reviews", "Customers praise the scent of Lantern Oolong and the quick post; three of nine wish the lids closed more tightly."),
    Topic("mails", "Two ask for a later delivery, one reports a dented tin, one thanks us. The dented tin needs an answer today."),
)

FALLBACK = Topic("", "I do not know that, and would rather not guess. A person is in the shop from nine to six: shall I pass it on?")


def topic_of(question: str) -> Topic:
    """The topic a question is about; the fallback where it is about none."""
    return next((topic for topic in TOPICS if topic.word.lower() in question.lower()), FALLBACK)


def tokens(text: str) -> int:
    """A plausible token count: about four characters each."""
    return max(1, round(len(text) / 4))
