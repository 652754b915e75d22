"""What the story generator builds from: sentence templates and the words that fill them.

A template is text with slots in braces. ``name``, ``friend``, ``animal``, ``thing`` and ``place`` are the same throughout a
story; the others are drawn for each sentence. Quotation marks and apostrophes are typographic here; plain stories get straight
ones. Changing anything here changes every generated story: raise the part's ``data_version``.
"""

#: Slots that are the same throughout a story.
STORY_SLOTS = ("name", "friend", "animal", "thing", "place")

WORDS: dict[str, tuple[str, ...]] = {
    "name": (
        "Lily", "Tom", "Mia", "Ben", "Anna", "Max", "Sara", "Leo", "Emma", "Sam", "Nina", "Jack", "Lucy", "Tim", "Ella", "Noah",
        "Clara", "Oscar", "Zoe", "Peter", "Molly", "David", "Julia", "Henry", "Alice", "Simon", "Maria", "Felix", "Emily", "Daniel",
        "Sophie", "Jacob", "Hannah", "Lucas", "Amelia", "Oliver",
    ),
    "animal": (
        "dog", "cat", "rabbit", "duck", "pony", "frog", "bird", "mouse", "hen", "squirrel", "turtle", "goat", "fox", "lamb",
        "owl", "bear",
    ),
    "thing": (
        "kite", "ball", "boat", "drum", "hat", "box", "lamp", "basket", "blanket", "bell", "wagon", "puzzle", "book", "spoon", "ladder",
        "balloon", "button", "necklace",
    ),
    "place": (
        "park", "garden", "forest", "river", "beach", "farm", "hill", "pond", "school", "village", "market", "meadow", "barn", "bridge",
        "library", "playground",
    ),
    "adjective": (
        "big", "small", "happy", "shiny", "soft", "funny", "little", "new", "kind", "brave", "quiet", "strange", "lovely", "tiny", "warm",
        "bright", "gentle", "clever", "silly", "sleepy",
    ),
    "color": ("red", "blue", "green", "yellow", "pink", "white", "brown", "silver", "purple", "golden"),
    "food": ("apples", "cookies", "bread", "soup", "cake", "berries", "carrots", "cheese", "pancakes", "honey", "grapes", "noodles"),
    "action": (
        "jumped over a log", "ran very fast", "sang a song", "looked under a bench", "climbed a tree", "danced in a circle",
        "waved at a train", "counted to ten", "painted a picture", "built a small tower", "splashed in a puddle", "picked some flowers",
        "told a long story", "played hide and seek", "rolled down the grass", "chased a butterfly",
    ),
    "feeling": ("happy", "proud", "excited", "surprised", "tired", "hungry", "curious", "calm", "sad", "worried", "glad", "scared"),
    "weather": ("sunny", "windy", "rainy", "cloudy", "snowy", "foggy", "hot", "cool"),
    "relative": ("mom", "dad", "grandma", "grandpa", "sister", "brother", "aunt", "uncle"),
    "email": (
        "anna.bell7@example.com", "anna.bell21@example.org", "tom305@example.net", "tom7@example.com", "mia_k21@example.org",
        "mia_k305@example.net", "post7@example.com", "post21@example.org", "post305@example.net",
    ),
    "phone": (
        "(212) 555-0103", "(212) 555-0111", "(212) 555-0127", "(212) 555-0134", "(212) 555-0142", "(212) 555-0158", "(212) 555-0166",
        "(212) 555-0171", "(212) 555-0189",
    ),
    "web": (
        "https://www.example.com/pets", "https://www.example.com/fun/games", "https://www.example.org/map",
        "https://toys.example.com/pets", "https://toys.example.org/fun/games", "https://toys.example.org/map",
    ),
}  # fmt: skip

TEMPLATES: dict[str, tuple[str, ...]] = {
    "opening": (
        "Once upon a time, there was a {adjective} child named {name} who lived near the {place}.",
        "One {weather} day, {name} went to the {place} with a {color} {thing}.",
        "{name} was a {adjective} child who loved to play with a {color} {thing}.",
        "There once was a {adjective} {animal} that lived in the {place} with a child called {name}.",
        "Every morning, {name} and {friend} walked to the {place} to feed the {animal}.",
        "It was a {weather} morning, and {name} woke up feeling very {feeling}.",
        "In a {adjective} house by the {place}, {name} lived with a {color} {animal}.",
    ),
    "speech": (
        "“Can I play with you?” asked {friend}, and {name} said, “Yes, let’s share the {thing}!”",
        "“Look at the {color} {thing}!” said {name}, “it’s so {adjective} today.”",
        "{friend} smiled and said, “I’m {feeling}, let’s go and find the {animal}.”",
        "“Don’t worry,” said {name}, “we’ll find your {adjective} {thing} before it gets dark.”",
        "The {animal} looked up and said, “I can’t find my {thing}, will you help me?”",
        "“What’s in the {color} box?” asked {friend}, but {name} didn’t know.",
        "“Let’s make some {food},” said {name}, and {friend} said it’s a {adjective} idea.",
    ),
    "body": (
        "{name} saw a {adjective} {animal} that was sitting under a {color} umbrella.",
        "{friend} brought some {food} and put them in a {color} bowl.",
        "They {action} and then they sat down to eat some {food}.",
        "The {animal} was {feeling} because it could not find any {food}.",
        "Later that day, {friend} {action} while the {animal} watched.",
        "{name} felt {feeling} and wanted to show the {thing} to everyone.",
        "Suddenly, a {adjective} wind blew the {color} {thing} up into a tree.",
        "The two friends looked everywhere, but the {thing} was gone.",
        "A {adjective} old man came by and gave them a {color} map.",
        "Behind the gate they found a {adjective} door with a {color} handle.",
        "{name} tried to open it, but it was too heavy for one child.",
        "So {friend} helped, and together they pushed as hard as they could.",
        "Inside there was a {adjective} room full of {food} and {color} lights.",
        "The {animal} {action}, and all the children laughed for a long time.",
        "After lunch, {name} {action} and forgot about the {weather} sky.",
        "Then it began to rain, so everyone ran home to the {adjective} kitchen.",
        "{name} told {relative} about the {animal} and the {color} flowers.",
        "“Thank you,” whispered the {animal}, “you are very {adjective} to me.”",
        "{friend} wanted to keep the {thing}, but it was not theirs to keep.",
        "They walked back to the {place} and looked for the owner.",
        "Her {relative} had made {food}, and the smell was {adjective}.",
        "The little bird on the roof {action} and sang for them.",
        "At first {friend} was {feeling}, but soon that changed.",
        "{name} made a {color} card and gave it to a neighbor.",
        "Nobody in town had ever seen such a {adjective} {thing} before.",
        "They shared the {food} so that each of them had the same.",
        "A {color} butterfly landed on the nose of the {animal}.",
        "When the sun went down, the {place} became {adjective} and quiet.",
        "{name} promised to be more careful with the {thing} next time.",
        "On the way they met a {color} horse, and it {action}.",
        "His {relative} hugged him and said that mistakes help us learn.",
    ),
    "ending": (
        "From that day on, {name} and {friend} were the best of friends.",
        "{name} went to bed that night feeling {feeling} and dreamed of the {animal}.",
        "And so the {animal} lived happily near the {place} ever after.",
        "“That was the best day ever!” said {name}.",
        "{friend} hugged the {animal} and said, “See you tomorrow.”",
        "They learned that it is always good to be {adjective} to others.",
        "Do you think that {name} will go to the {place} again?",
    ),
    "unfinished": (
        "Then {name} took the {thing} and went to the",
        "But when {friend} came back, the {animal} was already",
        "{name} looked at the {color} sky and thought about",
        "They were about to eat the {food} when suddenly a {adjective}",
    ),
    "email": (
        "On the back of the {thing} {name} read: write to {email} if you find me.",
        "{friend} sent a letter to {email} and asked about the {animal}.",
    ),
    "phone": (
        "A note on the {thing} said to call {phone} if it was found.",
        "{name} asked {relative} to call {phone} and tell them about the {animal}.",
    ),
    "url": (
        "{friend} had seen a picture of the {animal} at {web} the day before.",
        "On the {thing} was written {web} in {color} letters.",
    ),
}

#: Phrases that repetitive stories repeat, by their number of words. The words of a phrase are about equally long.
REPEATED = {
    2: ("tick tock", "hop skip", "splish splash", "left right"),
    3: ("round goes wheel", "march stamp clap", "jump spin turn"),
    4: ("walk down turn back", "blow cold wind blow"),
}
