import socket
import time

from metaflow_hera import FlowSpec, Parameter, current, parallel, retry, step

PORT = 45217


class GangingFlow(FlowSpec):
    """Three tasks that talk to each other by their addresses; in the first attempt one may fail."""

    fails = Parameter("fails", default=False)

    @step
    def start(self):
        self.next(self.train, num_parallel=3)

    @retry(times=1, minutes_between_retries=0)
    @parallel
    @step
    def train(self):
        gang = current.parallel
        if self.fails and current.retry_count == 0:
            if gang.node_index == 1:
                raise RuntimeError("this one fails")
            time.sleep(300)
        self.heard = self._hear(gang.num_nodes - 1) if gang.node_index == 0 else self._tell(gang.main_ip)
        self.main = gang.main_ip
        self.next(self.join)

    def _hear(self, count):
        """What the others say, as the first of them."""
        with socket.create_server(("", PORT)) as server:
            return sorted(self._received(server) for _ in range(count))

    def _received(self, server):
        connection, _ = server.accept()
        with connection:
            return connection.makefile().readline().strip()

    def _tell(self, main):
        """Tell the first task the number of this one, as soon as it listens."""
        for _ in range(100):
            try:
                with socket.create_connection((main, PORT), timeout=5) as connection:
                    connection.sendall(f"{current.parallel.node_index}\n".encode())
                    return []
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"nobody listens at {main}")

    @step
    def join(self, inputs):
        self.heard = [each.heard for each in inputs]
        self.mains = {each.main for each in inputs}
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    GangingFlow()
