"""Starts when somebody says that orders have arrived; the fields of the event become parameters."""

from metaflow_hera import FlowSpec, JSONType, Parameter, step, trigger


@trigger(event="orders_arrived")
class OrdersFlow(FlowSpec):
    """Keep the orders of one day."""

    day = Parameter("day", help="Of which day they are", default="2030-01-01")
    orders = Parameter("orders", help="Amounts by customer", type=JSONType, default={"ann": 5, "bob": 7})

    @step
    def start(self):
        self.amounts = {customer: int(amount) for customer, amount in self.orders.items() if int(amount) > 0}
        self.next(self.end)

    @step
    def end(self):
        print(f"{len(self.amounts)} orders of {self.day}")


if __name__ == "__main__":
    OrdersFlow()
