import csv
from io import StringIO

from metaflow import FlowSpec, IncludeFile, Parameter, step


def script_path(filename):
    import os

    filepath = os.path.join(os.path.dirname(__file__))
    return os.path.join(filepath, filename)


class PlayListFlow(FlowSpec):
    movie_data = IncludeFile(
        "movie_data", help="The path to a movie metadata file.", default=script_path("playlist.csv")
    )
    raw = IncludeFile("raw", is_text=False, default=script_path("playlist.csv"))
    genre = Parameter("genre", help="Filter movies for a particular genre.", default="Drama")

    @step
    def start(self):
        self.rows = list(csv.DictReader(StringIO(self.movie_data)))
        self.next(self.end)

    @step
    def end(self):
        self.playlist = [row["title"] for row in self.rows if row["genre"] == self.genre]
        self.size = len(self.raw)
        print("Playlist for movies in genre '%s': %s" % (self.genre, self.playlist))


if __name__ == "__main__":
    PlayListFlow()
